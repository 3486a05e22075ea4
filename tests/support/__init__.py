"""What tests of require_instances packages share."""
