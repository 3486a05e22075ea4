"""Upgrade chosen instances of a scale set, or one update domain, to a new image: all of them at once.

    python examples/vmss_upgrade.py -r mygroup -s web -n 22.04.202411010 -u 0
    python examples/vmss_upgrade.py -r mygroup -s web -l 3,7
    python examples/vmss_upgrade.py --sandbox -u 0

Without a new image the instances take the model as it is. For the whole set, domain by domain, see
rollout.py.
"""

from __future__ import annotations

import argparse
import json

import common

import azurerm_lite as az


def vm_id(text: str) -> str:
    """One id."""
    if "," in text:
        raise argparse.ArgumentTypeError("one instance; several go in --vmlist")
    return text


def vm_list(text: str) -> list[str]:
    """Ids from a JSON list or from commas."""
    if text.lstrip().startswith("["):
        return [str(each) for each in json.loads(text)]
    return [each.strip() for each in text.split(",")]


def parser() -> argparse.ArgumentParser:
    """The arguments: those of all examples, and which instances."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    which = arguments.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--updatedomain", "-u", type=int, metavar="N", help="the instances of this update domain"
    )
    which.add_argument("--vmid", "-i", type=vm_id, metavar="ID", help="this instance")
    which.add_argument(
        "--vmlist", "-l", type=vm_list, metavar="IDS", help='these: a JSON list ["3", "7"] or 3,7'
    )
    arguments.add_argument(
        "--nowait", "-w", action="store_true", help="start the upgrade and leave"
    )
    return arguments


def chosen(where: common.Where, options: argparse.Namespace) -> list[str]:
    """The ids that were asked for, all of which the set has."""
    instances = az.get_instance_views(*where)
    if options.updatedomain is not None:
        found = az.by_update_domain(instances)
        if options.updatedomain not in found:
            raise ValueError(
                f"there is no update domain {options.updatedomain}: there are {', '.join(map(str, found))}"
            )
        return found[options.updatedomain]
    ids = options.vmlist or [options.vmid]
    az.plan_rollout(instances, only=ids)  # refuses ids that the set does not have
    return ids


def main() -> int:
    """Changes the model where an image was given, and upgrades the instances."""
    arguments = parser()
    options = arguments.parse_args()
    with common.signed_in(arguments, options) as where:
        model = common.read_model(where)
        ids = chosen(where, options)
        model = common.put_model(where, model, options)
        print(f"Upgrading {len(ids)} of the instances of {where.vmss_name}: {', '.join(ids)}")
        common.confirm(options, "Upgrade them?")
        if options.nowait:
            az.manual_upgrade(*where, ids)
            print("The upgrade is under way in Azure.")
            return common.DONE
        for event in az.rollout(*where, by=len(ids), only=ids):
            print(event)
        print(f"They run {common.shown(model)}.")
    return common.DONE


if __name__ == "__main__":
    common.run(main)
