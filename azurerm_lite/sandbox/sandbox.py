"""The class `Sandbox`: a local Azure with a few scale sets, used as a context manager."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import images
from .entra import Entra
from .entra.client_auth import AUDIENCE, SUBJECT
from .entra.managed_identity import environment_for
from .entra.tokens import APPLICATION
from .model import templates
from .model.assumptions import Assumptions
from .model.catalog import GalleryVersion, add_version
from .model.cloud import Cloud
from .model.resources import (
    SUBSCRIPTION,
    TENANT,
    Change,
    CommandOutcome,
    Operation,
    ScaleOutFault,
)
from .server import control_api
from .server.app import App, JournalEntry
from .server.control_api import ControlApi
from .server.faults import Fault
from .server.https_server import Server

GROUP = "sandbox"
_PROVIDER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute"
_IMAGES = f"{_PROVIDER}/images"
_GALLERY = f"{_PROVIDER}/galleries/demo"
_UPGRADE_FAULTS = ("fail", "stick", "unhealthy", "silent", "agentless", "none")
_SCALE_OUT_FAULTS = ("quota", "subnet", "allocation", "fail", "unhealthy", "none")
_DROPS = ("before", "after", "truncate")


class Sandbox:
    """A local Azure on 127.0.0.1 over HTTPS, with its own temporary CA and credentials.

    Inside a `with` block, environment variables point the library and other clients at the
    sandbox. At its end the environment is restored.

    The sandbox has the scale sets `web` (20 instances in 5 update domains and 5 fault domains, a
    platform image), `legacy` (an unmanaged image, by its URI), `custom` (a managed image, by its
    id) and `auto` (upgrade mode Automatic).

    Args:
        upgrade_seconds: How many seconds the upgrade of a VM takes. Other operations take a part
            of that. 0 means that every operation ends at once.
        port: Port to listen on; 0 for any free port.
        page_size: Entries on each page of a list.
        token_seconds: How many seconds tokens are valid.
        demo: Whether to create the scale sets above. Otherwise the resource group is empty.
        clock: A monotonic clock: a function that returns seconds. Pass your own to control the
            time in a test.

    Attributes:
        url: URL of the resource manager and of the sign-in.
        ca_file: Path of the CA's certificate, for other clients.
        environment: The environment variables that point clients at the sandbox.
        access_token: A new token for the resource manager.
        subscription_id, resource_group, tenant_id, application_id, application_secret: The ids
            and the secret that a client needs.
        journal: The requests answered so far, each with `method`, `path`, `body`, `status` (0 if
            the connection was broken), `seconds` of the clock, and `query`.
        changes: What happened to which instance: `seconds` of the clock, `scale_set`,
            `instance_id`, `what`, `before`, `after`. `what` is `provisioning`, `power`, `health`,
            `model` with its image, `image` with the version that a reimage installs, or `command`
            with a script.
        assumptions: How the sandbox behaves if Azure's behaviour is not known.
        cloud: The state of the sandbox; a test hook.
        app: The WSGI app, with the faults and rate limits; a test hook.
        entra: The sign-in, with its tokens and identities; a test hook.
    """

    subscription_id = SUBSCRIPTION
    resource_group = GROUP
    tenant_id = TENANT
    application_id = APPLICATION

    def __init__(
        self,
        *,
        upgrade_seconds: float = 1.0,
        port: int = 0,
        page_size: int = 50,
        token_seconds: float = 3599,
        demo: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cloud: Cloud = Cloud(upgrade_seconds=upgrade_seconds, clock=clock)
        self.assumptions: Assumptions = self.cloud.assumptions
        self.entra: Entra = Entra(token_seconds)
        calls = {name: getattr(self, name) for name in control_api.CALLS}
        control = ControlApi(calls, self.at_request, self._journal_as_json)
        self.app: App = App(self.cloud, self.entra, page_size, control)
        self._port = port
        self._server: Server | None = None
        self._plain_server: Server | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._environment_before: dict[str, str | None] = {}
        self.cloud.groups[GROUP] = {"name": GROUP, "location": "eastus"}
        if demo:
            self._add_demo()

    def __enter__(self) -> Sandbox:
        self.start()
        self._environment_before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        return self

    def __exit__(self, *exception: object) -> None:
        for name, value in self._environment_before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.stop()

    def start(self) -> None:
        """Start serving, without changing the environment."""
        self._server = Server(self.app, self._port)
        self._folder = tempfile.TemporaryDirectory(prefix="azure-sandbox-")
        self.ca_file: str = str(Path(self._folder.name) / "ca.pem")
        Path(self.ca_file).write_bytes(self._server.ca_pem)
        self.url: str = self._server.url
        self.entra.tokens.url = self.url
        self.entra.client_auth.issuer = f"{self.url}/issuer"
        self._server.start()

    def stop(self) -> None:
        """Stop serving. The state of the sandbox is lost."""
        if self._server and self._folder:
            self._server.stop()
            if self._plain_server:
                self._plain_server.stop()
            self._folder.cleanup()
            self._server = None
            self._plain_server = None
            self._folder = None

    @property
    def access_token(self) -> str:
        """A new token for the resource manager."""
        return self.entra.tokens.issue()

    @property
    def application_secret(self) -> str:
        """The application's secret, which is different in each sandbox."""
        return self.entra.client_auth.secret

    @property
    def journal(self) -> list[JournalEntry]:
        """The requests answered so far."""
        return list(self.app.journal)

    @property
    def changes(self) -> list[Change]:
        """What happened to which instance, and when."""
        return list(self.cloud.changes)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point clients at the sandbox.

        This library, azurerm, requests, MSAL and azure-identity read them.
        """
        current = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
        no_proxy = f"{current},127.0.0.1" if current else "127.0.0.1"
        return {
            "AZURE_RM_ENDPOINT": self.url,
            "AZURE_AUTH_ENDPOINT": self.url,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_RESOURCE_ENDPOINT": "https://management.core.windows.net/",
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": APPLICATION,
            "AZURE_CLIENT_SECRET": self.application_secret,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "REQUESTS_CA_BUNDLE": self.ca_file,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }

    def where(
        self, vmss_name: str = "web", resource_group: str = GROUP
    ) -> tuple[str, str, str, str]:
        """Return the first four arguments of most functions: `get_vmss(*sandbox.where())`.

        Args:
            vmss_name: Scale set name.
            resource_group: Resource group name.

        Returns:
            A tuple: token, subscription id, resource group and scale set name.
        """
        return self.access_token, SUBSCRIPTION, resource_group, vmss_name

    def add_vmss(
        self,
        name: str,
        instances: int = 20,
        *,
        image: str = templates.UBUNTU,
        mode: str | None = "Manual",
        update_domains: int = 5,
        fault_domains: int | None = None,
        zones: Sequence[str] = (),
        health: bool = True,
        rolling_policy: dict[str, Any] | None = None,
        orchestration: str = "Uniform",
        resource_group: str = GROUP,
        location: str = "eastus",
        tags: dict[str, str] | None = None,
        profile: bool = True,
    ) -> None:
        """Create a scale set at once.

        Args:
            name: Scale set name.
            instances: How many instances; more than 100 are in several placement groups.
            image: `publisher:offer:sku:version`, the id of an image, or the URL of a VHD.
            mode: Upgrade mode: `Manual`, `Automatic` or `Rolling`; `None` for a Flexible set
                without an upgrade policy.
            update_domains: How many update domains; 0 for no update domains and no fault domains.
            fault_domains: How many fault domains; `None` for Azure's default: 1 in a zonal or
                Flexible set, otherwise 5.
            zones: Availability zones; instances are spread over them evenly.
            health: Whether the instances report application health.
            rolling_policy: The `rollingUpgradePolicy`; `None` for Azure's default.
            orchestration: `Uniform` or `Flexible`. A Flexible set has names as instance ids, no
                update domains, and instance views of single VMs only.
            resource_group: Resource group name; created if it does not exist.
            location: Region.
            tags: Tags by name.
            profile: Whether the set has a model. Only a Flexible set can be without one; it then
                has no instances.
        """
        body = templates.scale_set_body(name, instances, image, mode, rolling_policy, orchestration)
        body |= {"location": location, "zones": list(zones), "tags": dict(tags or {})}
        if not profile:
            del body["sku"]
            del body["properties"]["virtualMachineProfile"]
        elif not health:
            del body["properties"]["virtualMachineProfile"]["extensionProfile"]
        if fault_domains is not None:
            body["properties"]["platformFaultDomainCount"] = fault_domains
        with self.cloud.lock:
            group = {"name": resource_group, "location": location}
            self.cloud.groups.setdefault(resource_group.lower(), group)
            is_definition = "/galleries/" in image.lower() and "/versions/" not in image.lower()
            if image.startswith("/") and not is_definition:
                self.cloud.images.add(image.lower())
            before = len(self.cloud.changes)
            vmss, creation, _ = self.cloud.put(resource_group, name, body)
            vmss.update_domains = 0 if vmss.is_flexible else update_domains
            self._finish(creation)
            if profile:
                self._finish(self.cloud.patch(vmss, {"sku": {"capacity": instances}}))
            vmss.etag = 1
            # No request caused these changes.
            del self.cloud.changes[before:]

    def scale(self, vmss_name: str, capacity: int, resource_group: str = GROUP) -> None:
        """Scale a set out or in at once, as autoscale does.

        Args:
            vmss_name: Scale set name.
            capacity: The new number of instances.
            resource_group: Resource group name.
        """
        with self.cloud.lock:
            vmss = self.cloud.scale_set(resource_group, vmss_name)
            with self._while_busy():
                self._finish(self.cloud.patch(vmss, {"sku": {"capacity": capacity}}))

    def set_image(self, vmss_name: str, resource_group: str = GROUP, **image: str) -> None:
        """Change the image in a model at once, as another client may do during a rollout.

        Args:
            vmss_name: Scale set name.
            resource_group: Resource group name.
            **image: `version`, `sku`, `image_id` or `image_uri`, as in `azurerm_lite.set_image`.
        """
        with self.cloud.lock:
            vmss = self.cloud.scale_set(resource_group, vmss_name)
            changed = images.set_image({"name": vmss.name, "properties": vmss.properties}, **image)
            with self._while_busy():
                self._finish(self.cloud.patch(vmss, {"properties": changed["properties"]}))

    def break_upgrade(
        self,
        vmss_name: str,
        instance_id: str,
        how: str = "fail",
        resource_group: str = GROUP,
        *,
        image: str = "",
    ) -> None:
        """Make the upgrades of an instance fail from now on.

        Args:
            vmss_name: Scale set name.
            instance_id: Instance id.
            how: `fail` (the operation ends Failed), `stick` (the operation never ends),
                `unhealthy` (it succeeds, but the instance is unhealthy), `silent` (the instance
                reports no health), `agentless` (it reports no health and has no agent), or `none`
                (upgrades work again).
            resource_group: Resource group name.
            image: Part of an image name, such as a version. Only upgrades to such an image fail;
                by default all do.

        Raises:
            ValueError: `how` has another value.
        """
        if how not in _UPGRADE_FAULTS:
            raise ValueError(f"how must be one of {', '.join(_UPGRADE_FAULTS)}, got {how!r}")
        with self.cloud.lock:
            instance = self.cloud.scale_set(resource_group, vmss_name).instances[str(instance_id)]
            instance.fault = how
            instance.fault_image = image
            self.cloud.release(instance)

    def break_scale_out(
        self,
        vmss_name: str,
        how: str = "quota",
        resource_group: str = GROUP,
        *,
        made: int | None = None,
    ) -> None:
        """Make scale-outs of a set fail from now on.

        Args:
            vmss_name: Scale set name.
            how: `quota` or `subnet` (the request is rejected), `allocation` (the operation and
                its instances fail), `fail` (the OS of new instances does not start), `unhealthy`
                (new instances are unhealthy), or `none` (scale-outs work again).
            resource_group: Resource group name.
            made: How many instances come up before the operation fails. With `quota` and
                `subnet`, `None` rejects the request itself.

        Raises:
            ValueError: `how` has another value.
        """
        if how not in _SCALE_OUT_FAULTS:
            raise ValueError(f"how must be one of {', '.join(_SCALE_OUT_FAULTS)}, got {how!r}")
        fault = None if how == "none" else ScaleOutFault(how, made)
        with self.cloud.lock:
            self.cloud.scale_set(resource_group, vmss_name).scale_out_fault = fault

    def add_autoscale(
        self,
        vmss_name: str,
        minimum: int,
        maximum: int,
        *,
        resource_group: str = GROUP,
        enabled: bool = True,
    ) -> None:
        """Add an autoscale setting to a set. It can be read, but it does not scale the set.

        Args:
            vmss_name: Scale set name.
            minimum: The smallest number of instances.
            maximum: The largest number of instances.
            resource_group: Resource group name.
            enabled: Whether the setting is enabled.
        """
        with self.cloud.lock:
            vmss = self.cloud.scale_set(resource_group, vmss_name)
            name = f"autoscale-{vmss.name}"
            capacity = {"minimum": str(minimum), "maximum": str(maximum), "default": str(minimum)}
            provider = vmss.id.partition("/providers/")[0] + "/providers/microsoft.insights"
            setting = {
                "id": f"{provider}/autoscalesettings/{name}",
                "name": name,
                "type": "Microsoft.Insights/autoscaleSettings",
                "location": vmss.location,
                "tags": {},
                "properties": {
                    "name": name,
                    "enabled": enabled,
                    "targetResourceUri": vmss.id,
                    "profiles": [{"name": "default", "capacity": capacity, "rules": []}],
                    "notifications": [],
                },
            }
            self.cloud.autoscale_settings.append(setting)

    def publish(
        self,
        image: str,
        *,
        regions: Sequence[str] = ("East US",),
        exclude_from_latest: bool = False,
    ) -> None:
        """Publish a version of an image, to which `latest` may resolve from now on.

        Args:
            image: `publisher:offer:sku:version`, or the id of a version in a gallery.
            regions: Display names of the regions that a gallery version is replicated to.
            exclude_from_latest: Whether `latest` never resolves to this gallery version.

        Raises:
            ValueError: `image` has another form.
        """
        names = image.split(":")
        is_version = "/galleries/" in image.lower() and "/versions/" in image.lower()
        if len(names) != 4 and not is_version:
            raise ValueError(
                f"image must be publisher:offer:sku:version or a version id, got {image!r}"
            )
        with self.cloud.lock:
            if is_version:
                version = GalleryVersion(tuple(regions), exclude_from_latest)
                self.cloud.images.add(image.lower())
                self.cloud.gallery_versions[image.lower()] = version
            else:
                add_version(self.cloud.platform_images, *names)

    def set_command_output(
        self,
        vmss_name: str,
        instance_id: str,
        stdout: str = "",
        stderr: str = "",
        resource_group: str = GROUP,
        *,
        code: str = "",
    ) -> None:
        """Set what the scripts of `run_command` print on an instance from now on.

        Args:
            vmss_name: Scale set name.
            instance_id: Instance id.
            stdout: The standard output.
            stderr: The standard error.
            resource_group: Resource group name.
            code: Error code with which the operation fails. By default it succeeds, as on Azure
                even if the script ends with an error.
        """
        with self.cloud.lock:
            instance = self.cloud.scale_set(resource_group, vmss_name).instances[str(instance_id)]
            instance.command = CommandOutcome(stdout, stderr, code)

    def fail_next(
        self,
        status: int | None = None,
        *,
        method: str | None = None,
        path: str = "",
        times: int = 1,
        retry_after: int | None = None,
        code: str = "SandboxFault",
        message: str = "Fault injected by the sandbox.",
        delay: float = 0.0,
        drop: str | None = None,
        text: str | None = None,
    ) -> None:
        """Make the next matching requests fail.

        Args:
            status: HTTP status of an error response; the request then has no effect. `None` for
                no error response.
            method: HTTP method; `None` for all.
            path: One or more whole segments of the path, in any case: `"web/manualupgrade"`.
            times: How many requests.
            retry_after: Seconds in the header `Retry-After`, or `None` for no such header.
            code: Error code of the response.
            message: Error message of the response.
            delay: Seconds to wait before the response.
            drop: When to break the connection: `"before"` the request takes effect, `"after"` it,
                or `"truncate"` in the middle of the response. `None` for never.
            text: Text to send instead of JSON, or `None`.

        Raises:
            ValueError: `drop` has another value.
        """
        if drop is not None and drop not in _DROPS:
            raise ValueError(f"drop must be before, after or truncate, got {drop!r}")
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        fault = Fault(method, path, times, status, code, message, headers, delay, drop, text)
        with self.cloud.lock:
            self.app.faults.append(fault)

    def end_next(
        self, status: str = "Failed", *, code: str = "InternalExecutionError", message: str = ""
    ) -> None:
        """Make the next long-running operation fail or be canceled, without any effect.

        Args:
            status: `Failed` or `Canceled`.
            code: Error code of the operation.
            message: Error message of the operation.

        Raises:
            ValueError: `status` has another value.
        """
        if status not in ("Failed", "Canceled"):
            raise ValueError(f"status must be Failed or Canceled, got {status!r}")
        message = message or f"The sandbox ended the operation as {status}."
        with self.cloud.lock:
            self.cloud.endings.append((status, {"code": code, "message": message}))

    def at_request(self, number: int, act: Callable[[], object]) -> None:
        """Call a function just before a later request is answered.

        `sandbox.at_request(3, lambda: sandbox.scale("web", 25))` scales before the third request.

        Args:
            number: The number of the request to the resource manager; the next one is 1.
            act: The function to call.

        Raises:
            ValueError: `number` is less than 1.
        """
        if number < 1:
            raise ValueError(f"number must be 1 or more, got {number!r}")
        with self.cloud.lock:
            self.app.hooks.append((number, act))

    def throttle(self, policy: str) -> None:
        """Use up a rate limit: its requests get 429 for three minutes.

        Args:
            policy: Azure's name for the limit, such as `VMScaleSetActions`.

        Raises:
            ValueError: The limit does not exist.
        """
        with self.cloud.lock:
            self.app.limits.exhaust(policy)

    def set_token_seconds(self, seconds: float) -> None:
        """Set how long tokens are valid that are issued from now on.

        Args:
            seconds: Seconds for which they are valid.
        """
        self.entra.tokens.token_seconds = seconds

    def register_certificate(
        self, file: str | os.PathLike[str], *, subject: str | None = None
    ) -> None:
        """Register a certificate with which the application may sign in.

        Args:
            file: Path of the certificate in PEM format.
            subject: Subject name, such as `CN=web`. Then every certificate with this name is
                trusted if the client sends it (SNI). By default only the one in the file is.
        """
        with self.cloud.lock:
            self.entra.client_auth.register_certificate(Path(file).read_bytes(), subject)

    def federated_token(
        self, subject: str = SUBJECT, *, audience: str = AUDIENCE, seconds: float = 3600
    ) -> str:
        """Return an assertion about a workload by the issuer that the application trusts.

        Args:
            subject: The workload. The application trusts the issuer only for the default.
            audience: Audience of the assertion.
            seconds: How many seconds the assertion is valid.

        Returns:
            A str: a JSON Web Token.
        """
        return self.entra.client_auth.federated_token(subject, audience, seconds)

    def enter_code(self, user_code: str, *, agreed: bool = True) -> None:
        """Enter a device code, as a person does on the sign-in page.

        Args:
            user_code: The code, or a text that contains it.
            agreed: Whether the person signs in; False means that the person declines.

        Raises:
            ValueError: `user_code` does not contain a code that a client requested.
        """
        with self.cloud.lock:
            codes = self.entra.oauth.user_codes
            found = next((code for code in codes if code in user_code), None)
            if found is None:
                raise ValueError(
                    f"user_code must contain a requested device code, got {user_code!r}"
                )
            self.entra.oauth.consent(found, agreed)

    def sign_out(self) -> None:
        """Revoke the refresh tokens of all people who signed in."""
        with self.cloud.lock:
            self.entra.oauth.revoke_refresh_tokens()

    def expire_secret(self) -> None:
        """Make the application's secret expire."""
        with self.cloud.lock:
            self.entra.client_auth.expired_secrets.add(self.application_secret)

    def managed_identity(self, kind: str = "vm") -> dict[str, str]:
        """Return the environment variables of a machine with managed identities.

        Args:
            kind: `vm`, `app_service`, `machine_learning`, `arc` or `service_fabric`.

        Returns:
            A dict: the variables by name, which point at an endpoint of this sandbox.

        Raises:
            ValueError: `kind` has another value, or the sandbox is not running.
        """
        if self._server is None:
            raise ValueError("the sandbox is not running: call start(), or use a with block")
        if self._plain_server is None:  # these endpoints use plain HTTP
            self._plain_server = Server(self.app, has_tls=False)
            self._plain_server.start()
        header = self.entra.identities.header
        thumbprint = self._server.thumbprint
        return environment_for(kind, self._plain_server.url, self._server.url, thumbprint, header)

    def _journal_as_json(self) -> dict[str, Any]:
        return {
            "requests": [entry._asdict() for entry in self.journal],
            "changes": [change._asdict() for change in self.changes],
        }

    def _finish(self, job: Operation) -> None:
        """Finish an operation now."""
        job.due = self.cloud.clock()
        self.cloud.apply_due_changes()

    @contextlib.contextmanager
    def _while_busy(self) -> Iterator[None]:
        """Allow a change during another operation; Azure would reject most of them."""
        running = self.cloud.running
        self.cloud.running = {}
        try:
            yield
        finally:
            self.cloud.running |= running

    def _add_demo(self) -> None:
        """Add the scale sets of the demo, and images for upgrades of two of them."""
        vhd = "https://sandboxstorage.blob.core.windows.net/images/web-1.vhd"
        self.add_vmss("web")
        self.add_vmss("legacy", 6, image=vhd, health=False)
        self.add_vmss("custom", 6, image=f"{_IMAGES}/web-1")
        self.add_vmss("auto", 4, mode="Automatic")
        managed = [f"{_IMAGES}/web-{number}" for number in (1, 2, 3)]
        versions = [f"{_GALLERY}/images/web/versions/1.0.{number}" for number in (0, 1)]
        self.cloud.images |= {image.lower() for image in [*managed, *versions]}
