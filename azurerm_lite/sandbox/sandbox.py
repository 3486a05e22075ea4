"""Sandbox: a local Azure in a with block, filled with a few scale sets, at which the library is pointed."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import images, rest
from .entra.client_auth import AUDIENCE, SUBJECT
from .entra.managed_identity import environment_of
from .entra.sign_in import SignInPages
from .entra.tokens import APPLICATION, TENANT
from .model import templates
from .model.cloud import Cloud
from .model.resources import SUBSCRIPTION, Change, Operation
from .server.app import App, Entry
from .server.control_api import Control
from .server.faults import Fault
from .server.https_server import Server

GROUP = "sandbox"
_IMAGES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/images"
_GALLERY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/galleries/demo"
_WAYS_TO_BREAK = ("fail", "stick", "unhealthy", "silent", "agentless", "none")


class Sandbox:
    """A local Azure on 127.0.0.1, over HTTPS, with a throw-away CA and credentials that are good nowhere else.

    In a with block it points the library, and whatever else reads the environment, at itself, and
    puts everything back at the end. It holds the scale sets `web` (20 instances over 5 update and 5
    fault domains, a platform image), `legacy` (an unmanaged image, by its URI), `custom` (a managed
    image, by its id) and `auto` (in mode Automatic).

    Args:
        upgrade_seconds: How long a VM takes to upgrade; other operations take a part of that. 0: at
            once.
        port: Port to listen on; 0 for any that is free.
        page_size: Entries on a page of a list.
        token_seconds: How long tokens are good.
        demo: Whether to make the scale sets above; else it is empty but for the resource group.
        clock: Seconds that never go back; for tests that want to turn the time themselves.

    Attributes:
        url: Where it is.
        ca_file: The CA's certificate, for clients of other kinds.
        environment: The environment variables that point clients here.
        access_token: A token for it.
        subscription_id, resource_group, tenant_id, application_id, application_secret: What a
            client needs to know.
        cloud: What it holds.
        journal: The requests answered so far: `method`, `path`, `body`, `status` (0: the connection
            was broken), `seconds` of the clock, `query`.
        changes: What happened to which instance: `seconds` of the clock, `scale_set`,
            `instance_id`, `what`, `before`, `after`; `what` is `provisioning`, `power`, `health`,
            or `model` with its image.
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
        self.cloud = Cloud(upgrade_seconds=upgrade_seconds, clock=clock)
        self._sign_in = SignInPages(token_seconds)
        self._app = App(self.cloud, self._sign_in, page_size)
        self._app.control = Control(self)
        self._port = port
        self._server: Server | None = None
        self._plain_server: Server | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._before: dict[str, str | None] = {}
        self.cloud.groups[GROUP] = {"name": GROUP, "location": "eastus"}
        if demo:
            self._fill()

    def __enter__(self) -> Sandbox:
        self.start()
        self._before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        return self

    def __exit__(self, *exception: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.stop()

    def start(self) -> None:
        """Begins to serve, without pointing anything here."""
        self._server = Server(self._app, self._port)
        self._folder = tempfile.TemporaryDirectory(prefix="azure-sandbox-")
        self.ca_file = str(Path(self._folder.name) / "ca.pem")
        Path(self.ca_file).write_bytes(self._server.ca_pem)
        self.url = self._server.url
        self._sign_in.proofs.issuer = f"{self.url}/issuer"
        self._server.start()

    def stop(self) -> None:
        """Ends serving; what it held is gone with it."""
        if self._server and self._folder:
            rest.session.close()
            self._server.stop()
            if self._plain_server:
                self._plain_server.stop()
            self._folder.cleanup()
            self._server = self._plain_server = self._folder = None

    @property
    def access_token(self) -> str:
        """A fresh token for the resource manager."""
        return self._sign_in.tokens.token()

    @property
    def application_secret(self) -> str:
        """The secret of the one application; made anew for each sandbox."""
        return self._sign_in.proofs.secret

    @property
    def journal(self) -> list[Entry]:
        """The requests answered so far."""
        return list(self._app.journal)

    @property
    def changes(self) -> list[Change]:
        """What happened to which instance, when."""
        return list(self.cloud.changes)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point this library, azurerm, requests, MSAL and azure-identity here."""
        past_proxies = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", "127.0.0.1"]
        no_proxy = ",".join(filter(None, past_proxies))
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
        """The first four arguments of most functions: `get_vmss(*sandbox.where())`."""
        return self.access_token, SUBSCRIPTION, resource_group, vmss_name

    def add_vmss(
        self,
        name: str,
        instances: int = 20,
        *,
        image: str = templates.UBUNTU,
        mode: str = "Manual",
        update_domains: int = 5,
        fault_domains: int | None = None,
        zones: Sequence[str] = (),
        health: bool = True,
        rolling_policy: dict[str, Any] | None = None,
        orchestration: str = "Uniform",
        resource_group: str = GROUP,
        location: str = "eastus",
        tags: dict[str, str] | None = None,
    ) -> None:
        """Makes a scale set, at once.

        Args:
            name: Scale set name.
            instances: How many instances; more than 100 are spread over several placement groups.
            image: `publisher:offer:sku:version`, the id of an image, or the URL of a VHD.
            mode: Upgrade mode: `Manual`, `Automatic` or `Rolling`.
            update_domains: How many update domains; 0 for none (then there are no fault domains
                either).
            fault_domains: How many fault domains; `None` for Azure's default, 5, or 1 in a zonal or
                Flexible set.
            zones: Availability zones, taken in turn.
            health: Whether the instances report application health.
            rolling_policy: The `rollingUpgradePolicy`; `None` for Azure's default.
            orchestration: `Uniform`, or `Flexible`: names for ids, no update or fault domains, no
                instance views.
            resource_group: Resource group name; made where it is not there.
            location: Region.
            tags: Tags, by their names.
        """
        body = templates.model(name, instances, image, mode, rolling_policy, orchestration)
        body |= {"location": location, "zones": list(zones), "tags": dict(tags or {})}
        if not health:
            del body["properties"]["virtualMachineProfile"]["extensionProfile"]
        if fault_domains is not None:
            body["properties"]["platformFaultDomainCount"] = fault_domains
        with self.cloud.lock:
            self.cloud.groups.setdefault(
                resource_group.lower(), {"name": resource_group, "location": location}
            )
            before = len(self.cloud.changes)
            self.cloud.images |= {image.lower()} if image.startswith("/") else set()
            vmss, made, _ = self.cloud.put(resource_group, name, body)
            vmss.update_domains = 0 if vmss.is_flexible else update_domains
            self._at_once(made)
            self._at_once(self.cloud.patch(vmss, {"sku": {"capacity": instances}}))
            vmss.etag = 1
            del self.cloud.changes[before:]  # nobody asked for these by a request

    def scale(self, vmss_name: str, capacity: int, resource_group: str = GROUP) -> None:
        """Scales a set out or in, at once: what autoscale does.

        Args:
            vmss_name: Scale set name.
            capacity: How many instances there shall be.
            resource_group: Resource group name.
        """
        with self.cloud.lock:
            vmss = self.cloud.scale_set(resource_group, vmss_name)
            with self._undisturbed():
                self._at_once(self.cloud.patch(vmss, {"sku": {"capacity": capacity}}))

    def set_image(self, vmss_name: str, resource_group: str = GROUP, **image: str) -> None:
        """Changes the image in a model, at once: what somebody else may do while a rollout goes on.

        Args:
            vmss_name: Scale set name.
            resource_group: Resource group name.
            **image: `version`, `sku`, `image_id` or `image_uri`, as `azurerm_lite.set_image` takes
                them.
        """
        with self.cloud.lock:
            vmss = self.cloud.scale_set(resource_group, vmss_name)
            changed = images.set_image({"name": vmss.name, "properties": vmss.properties}, **image)
            with self._undisturbed():
                self._at_once(self.cloud.patch(vmss, {"properties": changed["properties"]}))

    def break_upgrade(
        self,
        vmss_name: str,
        instance_id: str,
        how: str = "fail",
        resource_group: str = GROUP,
        *,
        image: str = "",
    ) -> None:
        """Makes the upgrades of an instance go wrong from now on.

        Args:
            vmss_name: Scale set name.
            instance_id: Instance id.
            how: `fail` (the operation ends Failed), `stick` (it never ends), `unhealthy` (it
                succeeds, and the application is unhealthy), `silent` (it reports no health),
                `agentless` (nor has it an agent), or `none` (all is well again).
            resource_group: Resource group name.
            image: Only upgrades to an image with this in its name, such as a version, go wrong; by
                default all do.

        Raises:
            ValueError: `how` is none of these.
        """
        if how not in _WAYS_TO_BREAK:
            raise ValueError(f"how must be one of {', '.join(_WAYS_TO_BREAK)}, not {how!r}")
        with self.cloud.lock:
            instance = self.cloud.scale_set(resource_group, vmss_name).instances[str(instance_id)]
            instance.fault, instance.fault_image = how, image
            self.cloud.release(instance)

    def fail_next(
        self,
        status: int | None = None,
        *,
        method: str | None = None,
        path: str = "",
        times: int = 1,
        retry_after: int | None = None,
        code: str = "SandboxFault",
        message: str = "A fault that was asked for.",
        delay: float = 0.0,
        drop: str | None = None,
        text: str | None = None,
    ) -> None:
        """Lets the next requests of a kind go wrong.

        Args:
            status: HTTP status to answer with, doing nothing of what was asked for; `None` to do
                it.
            method: HTTP method; `None` for all.
            path: One or more whole segments of the path, in letters of either case:
                `"web/manualupgrade"`.
            times: How many requests.
            retry_after: Seconds for `Retry-After`, or `None` for no such header.
            code: Azure's error code.
            message: Azure's message.
            delay: Seconds to let the client wait first.
            drop: `"before"` breaks the connection before the request takes effect, `"after"`
                afterwards, `"truncate"` in the middle of the answer.
            text: Answer with this text instead of JSON.

        Raises:
            ValueError: `drop` is none of these.
        """
        if drop not in (None, "before", "after", "truncate"):
            raise ValueError(f"drop must be before, after or truncate, not {drop!r}")
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        fault = Fault(method, path, times, status, code, message, headers, delay, drop, text)
        with self.cloud.lock:
            self._app.faults.append(fault)

    def end_next(
        self, status: str = "Failed", *, code: str = "InternalExecutionError", message: str = ""
    ) -> None:
        """Lets the next long-running operation end in another way, without doing what it was to do.

        Args:
            status: `Failed` or `Canceled`.
            code: Azure's error code.
            message: Azure's message.

        Raises:
            ValueError: `status` is neither.
        """
        if status not in ("Failed", "Canceled"):
            raise ValueError(f"status must be Failed or Canceled, not {status!r}")
        error = {
            "code": code,
            "message": message or f"The operation ended {status}, as was asked for.",
        }
        with self.cloud.lock:
            self.cloud.endings.append((status, error))

    def at_request(self, number: int, act: Callable[[], object]) -> None:
        """Does something just before a request is answered: `sandbox.at_request(3, lambda: sandbox.scale("web", 25))`.

        Args:
            number: Which request to the resource manager from now on, from 1.
            act: What to do.

        Raises:
            ValueError: `number` is less than 1.
        """
        if number < 1:
            raise ValueError(f"number must be 1 or more, not {number!r}")
        with self.cloud.lock:
            self._app.hooks.append((number, act))

    def throttle(self, policy: str) -> None:
        """Spends what is left of a rate limit: 429 until its three minutes are over.

        Args:
            policy: Azure's name for the limit, such as `VMScaleSetActions`.

        Raises:
            ValueError: There is no such limit.
        """
        with self.cloud.lock:
            self._app.limits.exhaust(policy)

    def set_token_seconds(self, seconds: float) -> None:
        """How long tokens given from now on are good.

        Args:
            seconds: Seconds.
        """
        self._sign_in.tokens.token_seconds = seconds

    def register_certificate(
        self, file: str | os.PathLike[str], *, subject: str | None = None
    ) -> None:
        """Lets the application sign in with a certificate.

        Args:
            file: Path of the certificate, as PEM.
            subject: With a subject name, such as `CN=web`, it is trusted by that name, when it is
                sent along (SNI).
        """
        with self.cloud.lock:
            self._sign_in.proofs.register(Path(file).read_bytes(), subject)

    def federated_token(
        self, subject: str = SUBJECT, *, audience: str = AUDIENCE, seconds: float = 3600
    ) -> str:
        """What an issuer that the application trusts says of a workload: the assertion for a workload identity.

        Args:
            subject: Whom it names; the application trusts it for one alone.
            audience: Whom it is meant for.
            seconds: How long it is good.

        Returns:
            A JSON Web Token.
        """
        return self._sign_in.proofs.federated_token(subject, audience, seconds)

    def enter_code(self, user_code: str, *, agreed: bool = True) -> None:
        """What a person does at the page of a device code.

        Args:
            user_code: The code that was shown, or the text with it.
            agreed: Whether they sign in, or decline.

        Raises:
            ValueError: There is no such code.
        """
        with self.cloud.lock:
            codes = self._sign_in.authority.user_codes
            found = next((code for code in codes if code in user_code), None)
            if found is None:
                raise ValueError(f"there is no code in {user_code!r} that anybody asked for")
            self._sign_in.authority.agree(found, agreed)

    def sign_out(self) -> None:
        """Revokes what would renew the tokens of people who signed in."""
        with self.cloud.lock:
            self._sign_in.authority.sign_out()

    def expire_secret(self) -> None:
        """Lets the application's secret end."""
        with self.cloud.lock:
            self._sign_in.proofs.expired_secrets.add(self.application_secret)

    def managed_identity(self, kind: str = "vm") -> dict[str, str]:
        """The environment variables of a machine with managed identities, whose endpoint is here.

        Args:
            kind: `vm`, `app_service`, `machine_learning`, `arc` or `service_fabric`.

        Returns:
            The variables. Without them, nothing is asked here.

        Raises:
            ValueError: `kind` is none of these.
        """
        if self._plain_server is None:  # these endpoints speak plain http, on the machine itself
            self._plain_server = Server(self._app, tls=False)
            self._plain_server.start()
        assert self._server
        return environment_of(
            kind, self._plain_server.url, self._server, self._sign_in.identities.header
        )

    def _at_once(self, job: Operation) -> None:
        job.due = self.cloud.clock()
        self.cloud.settle()

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Lets a change of ours through while an operation is under way, which Azure would refuse to most."""
        under_way, self.cloud.running = self.cloud.running, {}
        try:
            yield
        finally:
            self.cloud.running |= under_way

    def _fill(self) -> None:
        """The scale sets of the demo, and images that two of them can move to."""
        self.add_vmss("web")
        self.add_vmss(
            "legacy",
            6,
            image="https://sandboxstorage.blob.core.windows.net/images/web-1.vhd",
            health=False,
        )
        self.add_vmss("custom", 6, image=f"{_IMAGES}/web-1")
        self.add_vmss("auto", 4, mode="Automatic")
        self.cloud.images |= {f"{_IMAGES}/web-{number}".lower() for number in (1, 2, 3)}
        self.cloud.images |= {
            f"{_GALLERY}/images/web/versions/1.0.{number}".lower() for number in (0, 1)
        }
