"""Change the image in a scale set's model: GET, change, PUT, and say what changed. No instance is touched.

    python examples/version_bump.py -r mygroup -s web -n 22.04.202411010
    python examples/version_bump.py --sandbox

The instances take the new image when they are upgraded: see rollout.py and vmss_upgrade.py.
"""

from __future__ import annotations

import common

import azurerm_lite as az


def main() -> int:
    """Changes the model."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    options = arguments.parse_args()
    with common.signed_in(arguments, options) as where:
        if not any((options.newversion, options.sku, options.imageid, options.customuri)):
            arguments.error("which image? give --newversion, --sku, --imageid or --customuri")
        model = common.put_model(where, common.read_model(where), options)
        lagging = [
            vm for vm in az.list_vmss_vms(*where) if not vm["properties"]["latestModelApplied"]
        ]
        print(
            f"The model has {common.shown(model)}; {len(lagging)} instances still run an older one."
        )
    return common.DONE


if __name__ == "__main__":
    common.run(main)
