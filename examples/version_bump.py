"""Change the image in a scale set's model: GET, change, PUT. No instance is changed.

    python examples/version_bump.py -r mygroup -s web -n 22.04.202411010
    python examples/version_bump.py --sandbox

The instances take the new image when they are upgraded: see rollout.py and vmss_upgrade.py.
"""

from __future__ import annotations

import common

import azurerm_lite as az


def main() -> int:
    """Change the model."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    options = arguments.parse_args()
    with common.signed_in(arguments, options) as where:
        if not common.has_new_image(options):
            arguments.error("which image? give --newversion, --sku, --imageid or --customuri")
        model = common.put_model(where, common.read_model(where), options)
        outdated = [
            instance
            for instance in az.get_instance_views(*where)
            if not instance["properties"].get("latestModelApplied")
        ]
        count = len(outdated)
        image = common.image_of(model)
        print(f"The model has {image}; {count} instances still run an older one.")
    return common.DONE


if __name__ == "__main__":
    common.run(main)
