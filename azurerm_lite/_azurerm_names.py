"""The names of azurerm 0.10.0 that `azurerm_lite.compat` does not define itself."""

MODULES = (
    "adalfns",
    "computerp",
    "resourcegroups",
    "restfns",
    "settings",
    "subfns",
    "vmimages",
)
"""azurerm's modules whose functions are in `compat`, which replaces all of them."""

NOT_SUPPORTED_BY_PURPOSE = {
    "availability sets": """
        create_as delete_as get_as list_as list_as_sub""",
    "single virtual machines": """
        create_vm deallocate_vm delete_vm get_vm get_vm_extension get_vm_instance_view list_vms
        list_vms_sub restart_vm start_vm stop_vm update_vm""",
    "networks": """
        networkrp create_lb_with_nat_pool create_nic create_nsg create_nsg_rule create_public_ip
        create_vnet delete_load_balancer delete_nic delete_nsg delete_nsg_rule delete_public_ip
        delete_vnet get_lb_nat_rule get_load_balancer get_network_usage get_nic get_public_ip
        get_vnet list_asgs list_asgs_all list_lb_nat_rules list_load_balancers
        list_load_balancers_rg list_nics list_nics_rg list_nsgs list_nsgs_all list_public_ips
        list_vnets list_vnets_rg update_load_balancer""",
    "storage accounts": """
        storagerp STORAGE_API create_storage_account delete_storage_account get_storage_account
        get_storage_account_keys get_storage_usage list_storage_accounts_rg
        list_storage_accounts_sub""",
    "containers": """
        acs container ACS_API CONTAINER_API create_container_service delete_container_service
        get_container_service list_acs_operations list_container_services
        list_container_services_sub create_container_definition create_container_instance_group
        delete_container_instance_group get_container_instance_group get_container_instance_logs
        list_container_instance_groups list_container_instance_groups_sub""",
    "Media Services": """
        amsrp MEDIA_API ams_auth_endpoint ams_rest_endpoint charset dsversion_max dsversion_min
        json_acceptformat json_only_acceptformat xml_acceptformat xmsversion do_ams_auth
        do_ams_delete do_ams_get do_ams_get_url do_ams_patch do_ams_post do_ams_put do_ams_sto_put
        get_url add_authorization_policy check_media_service_name_availability
        create_asset_accesspolicy create_asset_delivery_policy
        create_contentkey_authorization_policy create_contentkey_authorization_policy_options
        create_media_asset create_media_assetfile create_media_service_rg
        create_ondemand_streaming_locator create_sas_locator create_streaming_endpoint
        delete_asset_accesspolicy delete_asset_delivery_policy delete_content_key
        delete_contentkey_authorization_policy delete_contentkey_authorization_policy_options
        delete_media_asset delete_media_service_rg delete_sas_locator delete_streaming_endpoint
        encode_mezzanine_asset get_ams_access_token get_key_delivery_url helper_add helper_delete
        helper_list link_asset_content_key link_asset_delivery_policy
        link_contentkey_authorization_policy list_asset_accesspolicy list_asset_delivery_policy
        list_content_key list_contentkey_authorization_policy
        list_contentkey_authorization_policy_options list_media_asset list_media_endpoint_keys
        list_media_job list_media_processor list_media_services list_media_services_rg
        list_sas_locator list_streaming_endpoint scale_streaming_endpoint translate_asset_options
        translate_job_state update_media_assetfile upload_block_blob validate_mp4_asset""",
    "Cosmos DB": """
        cosmosdbrp COSMOSDB_API create_cosmosdb_account get_cosmosdb_account_keys""",
    "Key Vault": """
        keyvault KEYVAULT_API create_keyvault delete_keyvault delete_keyvault_secret get_keyvault
        list_keyvaults list_keyvaults_sub set_keyvault_secret""",
    "Microsoft Graph": """
        graphfns GRAPH_RESOURCE_HOST get_graph_token_from_msi get_object_id_from_graph""",
    "autoscale and metrics": """
        insightsrp INSIGHTS_API INSIGHTS_COMPONENTS_API INSIGHTS_METRICS_API INSIGHTS_PREVIEW_API
        create_autoscale_rule create_autoscale_setting get_events_for_subscription
        get_metrics_for_resource list_autoscale_settings list_insights_components
        list_metric_defs_for_resource""",
    "templates and deployments": """
        deployments templates DEPLOYMENTS_API deploy_template deploy_template_uri
        deploy_template_uri_param_uri list_deployment_operations show_deployment""",
}

NOT_SUPPORTED = {
    name: purpose for purpose, names in NOT_SUPPORTED_BY_PURPOSE.items() for name in names.split()
}
"""azurerm's other names, `{name: purpose}`."""
