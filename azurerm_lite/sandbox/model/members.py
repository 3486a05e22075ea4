"""The members of scale sets, instances and extensions, in Azure's spelling.

They are those of the newest api-version. A test compares them with Azure's SDK.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .. import errors

Json = dict[str, Any]

# A type and its members, each with the name of its type or, for a list, of its entries' type. A
# member without a type is a plain value, or an object with any members. What only Azure writes is
# not checked.
_TYPES = """
VirtualMachineScaleSet = etag extendedLocation:ExtendedLocation id
    identity:VirtualMachineScaleSetIdentity location name placement:Placement plan:Plan
    properties:VirtualMachineScaleSetProperties sku:Sku systemData tags type zones
VirtualMachineScaleSetVM = etag id identity:VirtualMachineIdentity instanceId location name
    plan:Plan properties:VirtualMachineScaleSetVMProperties resources sku:Sku systemData tags
    type zones
VirtualMachineScaleSetExtension = id name properties:VirtualMachineScaleSetExtensionProperties
    type
Sku = capacity name tier
Plan = name product promotionCode publisher
VirtualMachineScaleSetProperties = additionalCapabilities:AdditionalCapabilities
    automaticRepairsPolicy:AutomaticRepairsPolicy constrainedMaximumCapacity
    doNotRunExtensionsOnOverprovisionedVMs externalHealthPolicy:ExternalHealthPolicy
    highSpeedInterconnectPlacement:HighSpeedInterconnectPlacement hostGroup:SubResource
    lifecycleHooksProfile:LifecycleHooksProfile orchestrationMode:OrchestrationMode
    overprovision platformFaultDomainCount priorityMixPolicy:PriorityMixPolicy
    provisioningState proximityPlacementGroup:SubResource resiliencyPolicy:ResiliencyPolicy
    scaleInPolicy:ScaleInPolicy scheduledEventsPolicy:ScheduledEventsPolicy
    singlePlacementGroup skuProfile:SkuProfile spotRestorePolicy:SpotRestorePolicy timeCreated
    uniqueId upgradePolicy:UpgradePolicy virtualMachineProfile:VirtualMachineScaleSetVMProfile
    zonalPlatformFaultDomainAlignMode:ZonalPlatformFaultDomainAlignMode zoneBalance
VirtualMachineScaleSetIdentity = principalId tenantId type:ResourceIdentityType
    userAssignedIdentities
ExtendedLocation = name type:ExtendedLocationTypes
Placement = excludeZones includeZones zonePlacementPolicy:ZonePlacementPolicyType
VirtualMachineScaleSetVMProperties = additionalCapabilities:AdditionalCapabilities
    availabilitySet:SubResource capacityReservation:CapacityReservationProfile
    diagnosticsProfile:DiagnosticsProfile hardwareProfile:HardwareProfile instanceView
    interconnectBlockProfile:InterconnectBlockProfile latestModelApplied licenseType
    modelDefinitionApplied networkProfile:NetworkProfile
    networkProfileConfiguration:VirtualMachineScaleSetVMNetworkProfileConfiguration
    osProfile:OSProfile protectionPolicy:VirtualMachineScaleSetVMProtectionPolicy
    provisioningState resilientVMDeletionStatus:ResilientVMDeletionStatus
    securityProfile:SecurityProfile storageProfile:StorageProfile timeCreated userData
    virtualMachineResourceId vmId
VirtualMachineIdentity = principalId tenantId type:ResourceIdentityType userAssignedIdentities
VirtualMachineScaleSetExtensionProperties = autoUpgradeMinorVersion enableAutomaticUpgrade
    forceUpdateTag protectedSettings protectedSettingsFromKeyVault:KeyVaultSecretReference
    provisionAfterExtensions provisioningState publisher settings suppressFailures type
    typeHandlerVersion
UpgradePolicy = automaticOSUpgradePolicy:AutomaticOSUpgradePolicy mode:UpgradeMode
    rollingUpgradePolicy:RollingUpgradePolicy
ScheduledEventsPolicy = allInstancesDown:AllInstancesDown
    scheduledEventsAdditionalPublishingTargets:ScheduledEventsAdditionalPublishingTargets
    userInitiatedReboot:UserInitiatedReboot userInitiatedRedeploy:UserInitiatedRedeploy
AutomaticRepairsPolicy = enabled gracePeriod repairAction:RepairAction
VirtualMachineScaleSetVMProfile = applicationProfile:ApplicationProfile
    billingProfile:BillingProfile capacityReservation:CapacityReservationProfile
    diagnosticsProfile:DiagnosticsProfile evictionPolicy:VirtualMachineEvictionPolicyTypes
    extensionProfile:VirtualMachineScaleSetExtensionProfile
    hardwareProfile:VirtualMachineScaleSetHardwareProfile
    interconnectBlockProfile:InterconnectBlockProfile licenseType
    networkProfile:VirtualMachineScaleSetNetworkProfile
    osProfile:VirtualMachineScaleSetOSProfile priority:VirtualMachinePriorityTypes
    scheduledEventsProfile:ScheduledEventsProfile
    securityPostureReference:SecurityPostureReference securityProfile:SecurityProfile
    serviceArtifactReference:ServiceArtifactReference
    storageProfile:VirtualMachineScaleSetStorageProfile timeCreated userData
SubResource = id
AdditionalCapabilities = enableFips1403Encryption hibernationEnabled ultraSSDEnabled
ScaleInPolicy = forceDeletion prioritizeUnhealthyVMs rules:VirtualMachineScaleSetScaleInRules
SpotRestorePolicy = enabled restoreTimeout
PriorityMixPolicy = baseRegularPriorityCount regularPriorityPercentageAboveBase
ResiliencyPolicy = automaticZoneRebalancingPolicy:AutomaticZoneRebalancingPolicy
    operationRecoverySettings:OperationRecoverySettings
    resilientVMCreationPolicy:ResilientVMCreationPolicy
    resilientVMDeletionPolicy:ResilientVMDeletionPolicy
    zoneAllocationPolicy:ZoneAllocationPolicy
SkuProfile = allocationStrategy:AllocationStrategy
    automaticSkuMigrationPolicy:AutomaticSkuMigrationPolicy vmSizes:SkuProfileVMSize
LifecycleHooksProfile = lifecycleHooks:LifecycleHook
ExternalHealthPolicy = enabled expiryDuration gracePeriod
HardwareProfile = processorMode:ProcessorMode vmSize:VirtualMachineSizeTypes
    vmSizeProperties:VMSizeProperties
StorageProfile = alignRegionalDisksToVMZone dataDisks:DataDisk diskApiVersion:DiskApiVersion
    diskControllerType:DiskControllerTypes imageReference:ImageReference osDisk:OSDisk
OSProfile = adminPassword adminUsername allowExtensionOperations computerName customData
    linuxConfiguration:LinuxConfiguration requireGuestProvisionSignal secrets:VaultSecretGroup
    windowsConfiguration:WindowsConfiguration
SecurityProfile = encryptionAtHost encryptionIdentity:EncryptionIdentity
    proxyAgentSettings:ProxyAgentSettings securityType:SecurityTypes uefiSettings:UefiSettings
NetworkProfile = interconnectGroupProfile:InterconnectGroupProfile
    networkApiVersion:NetworkApiVersion
    networkInterfaceConfigurations:VirtualMachineNetworkInterfaceConfiguration
    networkInterfaces:NetworkInterfaceReference
VirtualMachineScaleSetVMNetworkProfileConfiguration =
    interconnectGroupProfile:InterconnectGroupProfile
    networkInterfaceConfigurations:VirtualMachineScaleSetNetworkConfiguration
DiagnosticsProfile = bootDiagnostics:BootDiagnostics
VirtualMachineScaleSetVMProtectionPolicy = protectFromScaleIn protectFromScaleSetActions
InterconnectBlockProfile = interconnectBlock:ApiEntityReference
CapacityReservationProfile = capacityReservationGroup:SubResource
    disableCapacityReservationAssignment
KeyVaultSecretReference = secretUrl sourceVault:SubResource
RollingUpgradePolicy = enableCrossZoneUpgrade maxBatchInstancePercent maxSurge
    maxUnhealthyInstancePercent maxUnhealthyUpgradedInstancePercent pauseTimeBetweenBatches
    prioritizeUnhealthyInstances rollbackFailedInstancesOnPolicyBreach
AutomaticOSUpgradePolicy = disableAutomaticRollback enableAutomaticOSUpgrade
    osRollingUpgradeDeferral useRollingUpgradePolicy
UserInitiatedRedeploy = automaticallyApprove
UserInitiatedReboot = automaticallyApprove
ScheduledEventsAdditionalPublishingTargets =
    eventGridAndResourceGraph:EventGridAndResourceGraph
AllInstancesDown = automaticallyApprove
VirtualMachineScaleSetOSProfile = adminPassword adminUsername allowExtensionOperations
    computerNamePrefix customData linuxConfiguration:LinuxConfiguration
    requireGuestProvisionSignal secrets:VaultSecretGroup
    windowsConfiguration:WindowsConfiguration
VirtualMachineScaleSetStorageProfile = dataDisks:VirtualMachineScaleSetDataDisk
    diskApiVersion:DiskApiVersion diskControllerType:DiskControllerTypes
    imageReference:ImageReference osDisk:VirtualMachineScaleSetOSDisk
VirtualMachineScaleSetNetworkProfile = healthProbe:ApiEntityReference
    interconnectGroupProfile:InterconnectGroupProfile networkApiVersion:NetworkApiVersion
    networkInterfaceConfigurations:VirtualMachineScaleSetNetworkConfiguration
VirtualMachineScaleSetExtensionProfile = extensions:VirtualMachineScaleSetExtension
    extensionsTimeBudget
BillingProfile = maxPrice
ScheduledEventsProfile = osImageNotificationProfile:OSImageNotificationProfile
    terminateNotificationProfile:TerminateNotificationProfile
ApplicationProfile = galleryApplications:VMGalleryApplication
VirtualMachineScaleSetHardwareProfile = processorMode:ProcessorMode
    vmSizeProperties:VMSizeProperties
ServiceArtifactReference = id
SecurityPostureReference = excludeExtensions id isOverridable
ResilientVMCreationPolicy = enabled
ResilientVMDeletionPolicy = enabled
AutomaticZoneRebalancingPolicy = enabled rebalanceBehavior:RebalanceBehavior
    rebalanceStrategy:RebalanceStrategy
ZoneAllocationPolicy = maxInstancePercentPerZonePolicy:MaxInstancePercentPerZonePolicy
    maxZoneCount
OperationRecoverySettings = reimageRecoveryPolicy:ReimageRecoveryPolicy
    restartRecoveryPolicy:RestartRecoveryPolicy startRecoveryPolicy:StartRecoveryPolicy
SkuProfileVMSize = name rank
AutomaticSkuMigrationPolicy = enabled
LifecycleHook = defaultAction:LifecycleHookAction type:VMScaleSetLifecycleHookEventType
    waitDuration
VMSizeProperties = vCPUsAvailable vCPUsPerCore
ImageReference = communityGalleryImageId exactVersion id offer publisher sharedGalleryImageId
    sku version
OSDisk = caching:CachingTypes createOption:DiskCreateOptionTypes
    deleteOption:DiskDeleteOptionTypes diffDiskSettings:DiffDiskSettings diskSizeGB
    encryptionSettings:DiskEncryptionSettings image:VirtualHardDisk
    managedDisk:ManagedDiskParameters name osType:OperatingSystemTypes
    storageFaultDomainAlignment:StorageFaultDomainAlignmentType vhd:VirtualHardDisk
    writeAcceleratorEnabled
DataDisk = caching:CachingTypes createOption:DiskCreateOptionTypes
    deleteOption:DiskDeleteOptionTypes detachOption:DiskDetachOptionTypes diskIOPSReadWrite
    diskMBpsReadWrite diskSizeGB image:VirtualHardDisk lun managedDisk:ManagedDiskParameters
    name sourceResource:ApiEntityReference
    storageFaultDomainAlignment:StorageFaultDomainAlignmentType toBeDetached
    vhd:VirtualHardDisk writeAcceleratorEnabled
WindowsConfiguration = additionalUnattendContent:AdditionalUnattendContent
    enableAutomaticUpdates enableVMAgentPlatformUpdates patchSettings:PatchSettings
    provisionVMAgent timeZone winRM:WinRMConfiguration
LinuxConfiguration = disablePasswordAuthentication enableVMAgentPlatformUpdates
    patchSettings:LinuxPatchSettings provisionVMAgent ssh:SshConfiguration
VaultSecretGroup = sourceVault:SubResource vaultCertificates:VaultCertificate
UefiSettings = secureBootEnabled vTpmEnabled
EncryptionIdentity = userAssignedIdentityResourceId
ProxyAgentSettings = addProxyAgentExtension enabled imds:HostEndpointSettings keyIncarnationId
    mode:Mode wireServer:HostEndpointSettings
NetworkInterfaceReference = id properties:NetworkInterfaceReferenceProperties
VirtualMachineNetworkInterfaceConfiguration = name
    properties:VirtualMachineNetworkInterfaceConfigurationProperties tags
InterconnectGroupProfile = interconnectGroup:SubResource subgroups:SubResource
VirtualMachineScaleSetNetworkConfiguration = name
    properties:VirtualMachineScaleSetNetworkConfigurationProperties tags
BootDiagnostics = enabled storageUri
ApiEntityReference = id
EventGridAndResourceGraph = enable scheduledEventsApiVersion
VirtualMachineScaleSetOSDisk = caching:CachingTypes createOption:DiskCreateOptionTypes
    deleteOption:DiskDeleteOptionTypes diffDiskSettings:DiffDiskSettings diskSizeGB
    image:VirtualHardDisk managedDisk:VirtualMachineScaleSetManagedDiskParameters name
    osType:OperatingSystemTypes storageFaultDomainAlignment:StorageFaultDomainAlignmentType
    vhdContainers writeAcceleratorEnabled
VirtualMachineScaleSetDataDisk = caching:CachingTypes createOption:DiskCreateOptionTypes
    deleteOption:DiskDeleteOptionTypes diskIOPSReadWrite diskMBpsReadWrite diskSizeGB lun
    managedDisk:VirtualMachineScaleSetManagedDiskParameters name
    storageFaultDomainAlignment:StorageFaultDomainAlignmentType writeAcceleratorEnabled
TerminateNotificationProfile = enable notBeforeTimeout
OSImageNotificationProfile = enable notBeforeTimeout
VMGalleryApplication = configurationReference enableAutomaticUpgrade order packageReferenceId
    tags treatFailureAsDeploymentFailure
MaxInstancePercentPerZonePolicy = enabled value
RestartRecoveryPolicy = enabled
StartRecoveryPolicy = enabled
ReimageRecoveryPolicy = enabled
DiskEncryptionSettings = diskEncryptionKey:KeyVaultSecretReference enabled
    keyEncryptionKey:KeyVaultKeyReference
VirtualHardDisk = uri
DiffDiskSettings = enableFullCaching option:DiffDiskOptions placement:DiffDiskPlacement
ManagedDiskParameters = additionalDiskProperties:AdditionalDiskProperties
    diskEncryptionSet:DiskEncryptionSetParameters id securityProfile:VMDiskSecurityProfile
    storageAccountType:StorageAccountTypes
AdditionalUnattendContent = componentName:ComponentNames content passName:PassNames
    settingName:SettingNames
PatchSettings = assessmentMode:WindowsPatchAssessmentMode
    automaticByPlatformSettings:WindowsVMGuestPatchAutomaticByPlatformSettings
    enableHotpatching patchMode:WindowsVMGuestPatchMode
WinRMConfiguration = listeners:WinRMListener
SshConfiguration = publicKeys:SshPublicKey
LinuxPatchSettings = assessmentMode:LinuxPatchAssessmentMode
    automaticByPlatformSettings:LinuxVMGuestPatchAutomaticByPlatformSettings
    patchMode:LinuxVMGuestPatchMode
VaultCertificate = certificateStore certificateUrl
HostEndpointSettings = inVMAccessControlProfileReferenceId mode:Modes useLocalFileRules
NetworkInterfaceReferenceProperties = deleteOption:DeleteOptions primary
VirtualMachineNetworkInterfaceConfigurationProperties =
    auxiliaryMode:NetworkInterfaceAuxiliaryMode auxiliarySku:NetworkInterfaceAuxiliarySku
    deleteOption:DeleteOptions disableTcpStateTracking
    dnsSettings:VirtualMachineNetworkInterfaceDnsSettingsConfiguration
    dscpConfiguration:SubResource enableAcceleratedNetworking enableFpga enableIPForwarding
    ipConfigurations:VirtualMachineNetworkInterfaceIPConfiguration
    networkSecurityGroup:SubResource primary
VirtualMachineScaleSetNetworkConfigurationProperties =
    auxiliaryMode:NetworkInterfaceAuxiliaryMode auxiliarySku:NetworkInterfaceAuxiliarySku
    deleteOption:DeleteOptions disableTcpStateTracking
    dnsSettings:VirtualMachineScaleSetNetworkConfigurationDnsSettings
    enableAcceleratedNetworking enableFpga enableIPForwarding
    ipConfigurations:VirtualMachineScaleSetIPConfiguration networkSecurityGroup:SubResource
    primary
VirtualMachineScaleSetManagedDiskParameters =
    additionalDiskProperties:AdditionalDiskProperties
    diskEncryptionSet:DiskEncryptionSetParameters securityProfile:VMDiskSecurityProfile
    storageAccountType:StorageAccountTypes
KeyVaultKeyReference = keyUrl sourceVault:SubResource
DiskEncryptionSetParameters = id
VMDiskSecurityProfile = diskEncryptionSet:DiskEncryptionSetParameters
    securityEncryptionType:SecurityEncryptionTypes
AdditionalDiskProperties = managedDiskProperties:VirtualMachineDiskProperties
WindowsVMGuestPatchAutomaticByPlatformSettings = bypassPlatformSafetyChecksOnUserSchedule
    rebootSetting:WindowsVMGuestPatchAutomaticByPlatformRebootSetting
WinRMListener = certificateUrl protocol:ProtocolTypes
SshPublicKey = keyData path
LinuxVMGuestPatchAutomaticByPlatformSettings = bypassPlatformSafetyChecksOnUserSchedule
    rebootSetting:LinuxVMGuestPatchAutomaticByPlatformRebootSetting
VirtualMachineNetworkInterfaceDnsSettingsConfiguration = dnsServers
VirtualMachineNetworkInterfaceIPConfiguration = name
    properties:VirtualMachineNetworkInterfaceIPConfigurationProperties
VirtualMachineScaleSetNetworkConfigurationDnsSettings = dnsServers
VirtualMachineScaleSetIPConfiguration = name
    properties:VirtualMachineScaleSetIPConfigurationProperties
VirtualMachineDiskProperties = availabilityPolicy:DiskAvailabilityPolicy burstingEnabled
    diskAccessId diskIOPSReadOnly diskMBpsReadOnly logicalSectorSize maxShares
    networkAccessPolicy:VirtualMachineDiskNetworkAccessPolicy optimizedForFrequentAttach
    performancePlus tier
VirtualMachineNetworkInterfaceIPConfigurationProperties =
    applicationGatewayBackendAddressPools:SubResource applicationSecurityGroups:SubResource
    loadBalancerBackendAddressPools:SubResource primary privateIPAddressPrefixLength
    privateIPAddressVersion:IPVersions
    publicIPAddressConfiguration:VirtualMachinePublicIPAddressConfiguration subnet:SubResource
VirtualMachineScaleSetIPConfigurationProperties =
    applicationGatewayBackendAddressPools:SubResource applicationSecurityGroups:SubResource
    loadBalancerBackendAddressPools:SubResource loadBalancerInboundNatPools:SubResource
    primary privateIPAddressPrefixLength privateIPAddressVersion:IPVersion
    publicIPAddressConfiguration:VirtualMachineScaleSetPublicIPAddressConfiguration
    subnet:ApiEntityReference
DiskAvailabilityPolicy = actionOnDiskDelay:VirtualMachineDiskDelayAction
VirtualMachinePublicIPAddressConfiguration = name
    properties:VirtualMachinePublicIPAddressConfigurationProperties sku:PublicIPAddressSku
    tags
VirtualMachineScaleSetPublicIPAddressConfiguration = name
    properties:VirtualMachineScaleSetPublicIPAddressConfigurationProperties
    sku:PublicIPAddressSku tags
VirtualMachinePublicIPAddressConfigurationProperties = deleteOption:DeleteOptions
    dnsSettings:VirtualMachinePublicIPAddressDnsSettingsConfiguration idleTimeoutInMinutes
    ipTags:VirtualMachineIpTag publicIPAddressVersion:IPVersions
    publicIPAllocationMethod:PublicIPAllocationMethod publicIPPrefix:SubResource
PublicIPAddressSku = name:PublicIPAddressSkuName tier:PublicIPAddressSkuTier
VirtualMachineScaleSetPublicIPAddressConfigurationProperties = deleteOption:DeleteOptions
    dnsSettings:VirtualMachineScaleSetPublicIPAddressConfigurationDnsSettings
    idleTimeoutInMinutes ipTags:VirtualMachineScaleSetIpTag publicIPAddressVersion:IPVersion
    publicIPPrefix:SubResource
VirtualMachinePublicIPAddressDnsSettingsConfiguration = domainNameLabel
    domainNameLabelScope:DomainNameLabelScopeTypes
VirtualMachineIpTag = firstPartyServiceTagId ipTagType tag
VirtualMachineScaleSetPublicIPAddressConfigurationDnsSettings = domainNameLabel
    domainNameLabelScope:DomainNameLabelScopeTypes
VirtualMachineScaleSetIpTag = firstPartyServiceTagId ipTagType tag
"""

# A type and its values, which may contain spaces.
_VALUES = """
AllocationStrategy = LowestPrice; CapacityOptimized; Prioritized
CachingTypes = None; ReadOnly; ReadWrite
ComponentNames = Microsoft-Windows-Shell-Setup
DeleteOptions = Delete; Detach
DiffDiskOptions = Local
DiffDiskPlacement = CacheDisk; ResourceDisk; NvmeDisk
DiskApiVersion = 2025-01-02; 2026-03-02
DiskControllerTypes = SCSI; NVMe
DiskCreateOptionTypes = FromImage; Empty; Attach; Copy; Restore
DiskDeleteOptionTypes = Delete; Detach
DiskDetachOptionTypes = ForceDetach
DomainNameLabelScopeTypes = TenantReuse; SubscriptionReuse; ResourceGroupReuse; NoReuse
ExtendedLocationTypes = EdgeZone
HighSpeedInterconnectPlacement = None; Trunk
IPVersion = IPv4; IPv6
IPVersions = IPv4; IPv6
LifecycleHookAction = Approve; Reject
LinuxPatchAssessmentMode = ImageDefault; AutomaticByPlatform
LinuxVMGuestPatchAutomaticByPlatformRebootSetting = Unknown; IfRequired; Never; Always
LinuxVMGuestPatchMode = ImageDefault; AutomaticByPlatform
Mode = Audit; Enforce
Modes = Audit; Enforce; Disabled
NetworkApiVersion = 2020-11-01; 2022-11-01
NetworkInterfaceAuxiliaryMode = None; AcceleratedConnections; Floating
NetworkInterfaceAuxiliarySku = None; A1; A2; A4; A8
OperatingSystemTypes = Windows; Linux
OrchestrationMode = Uniform; Flexible
PassNames = OobeSystem
ProcessorMode = Deterministic; Opportunistic
ProtocolTypes = Http; Https
PublicIPAddressSkuName = Basic; Standard
PublicIPAddressSkuTier = Regional; Global
PublicIPAllocationMethod = Dynamic; Static
RebalanceBehavior = CreateBeforeDelete
RebalanceStrategy = Recreate
RepairAction = Replace; Restart; Reimage
ResilientVMDeletionStatus = Enabled; Disabled; InProgress; Failed
ResourceIdentityType = SystemAssigned; UserAssigned; SystemAssigned, UserAssigned; None
SecurityEncryptionTypes = VMGuestStateOnly; DiskWithVMGuestState; NonPersistedTPM
SecurityTypes = Standard; TrustedLaunch; ConfidentialVM
SettingNames = AutoLogon; FirstLogonCommands
StorageAccountTypes = Standard_LRS; Premium_LRS; StandardSSD_LRS; UltraSSD_LRS; Premium_ZRS;
    StandardSSD_ZRS; PremiumV2_LRS
StorageFaultDomainAlignmentType = Aligned; BestEffortAligned
UpgradeMode = Automatic; Manual; Rolling
VMScaleSetLifecycleHookEventType = UpgradeAutoOSScheduling; UpgradeAutoOSRollingBatchStarting
VirtualMachineDiskDelayAction = None; AutomaticReattach
VirtualMachineDiskNetworkAccessPolicy = AllowAll; AllowPrivate; DenyAll
VirtualMachineEvictionPolicyTypes = Deallocate; Delete
VirtualMachinePriorityTypes = Regular; Low; Spot; SpotPlus
VirtualMachineScaleSetScaleInRules = Default; OldestVM; NewestVM
VirtualMachineSizeTypes = Basic_A0; Basic_A1; Basic_A2; Basic_A3; Basic_A4; Standard_A0;
    Standard_A1; Standard_A2; Standard_A3; Standard_A4; Standard_A5; Standard_A6; Standard_A7;
    Standard_A8; Standard_A9; Standard_A10; Standard_A11; Standard_A1_v2; Standard_A2_v2;
    Standard_A4_v2; Standard_A8_v2; Standard_A2m_v2; Standard_A4m_v2; Standard_A8m_v2;
    Standard_B1s; Standard_B1ms; Standard_B2s; Standard_B2ms; Standard_B4ms; Standard_B8ms;
    Standard_D1; Standard_D2; Standard_D3; Standard_D4; Standard_D11; Standard_D12;
    Standard_D13; Standard_D14; Standard_D1_v2; Standard_D2_v2; Standard_D3_v2;
    Standard_D4_v2; Standard_D5_v2; Standard_D2_v3; Standard_D4_v3; Standard_D8_v3;
    Standard_D16_v3; Standard_D32_v3; Standard_D64_v3; Standard_D2s_v3; Standard_D4s_v3;
    Standard_D8s_v3; Standard_D16s_v3; Standard_D32s_v3; Standard_D64s_v3; Standard_D11_v2;
    Standard_D12_v2; Standard_D13_v2; Standard_D14_v2; Standard_D15_v2; Standard_DS1;
    Standard_DS2; Standard_DS3; Standard_DS4; Standard_DS11; Standard_DS12; Standard_DS13;
    Standard_DS14; Standard_DS1_v2; Standard_DS2_v2; Standard_DS3_v2; Standard_DS4_v2;
    Standard_DS5_v2; Standard_DS11_v2; Standard_DS12_v2; Standard_DS13_v2; Standard_DS14_v2;
    Standard_DS15_v2; Standard_DS13-4_v2; Standard_DS13-2_v2; Standard_DS14-8_v2;
    Standard_DS14-4_v2; Standard_E2_v3; Standard_E4_v3; Standard_E8_v3; Standard_E16_v3;
    Standard_E32_v3; Standard_E64_v3; Standard_E2s_v3; Standard_E4s_v3; Standard_E8s_v3;
    Standard_E16s_v3; Standard_E32s_v3; Standard_E64s_v3; Standard_E32-16_v3;
    Standard_E32-8s_v3; Standard_E64-32s_v3; Standard_E64-16s_v3; Standard_F1; Standard_F2;
    Standard_F4; Standard_F8; Standard_F16; Standard_F1s; Standard_F2s; Standard_F4s;
    Standard_F8s; Standard_F16s; Standard_F2s_v2; Standard_F4s_v2; Standard_F8s_v2;
    Standard_F16s_v2; Standard_F32s_v2; Standard_F64s_v2; Standard_F72s_v2; Standard_G1;
    Standard_G2; Standard_G3; Standard_G4; Standard_G5; Standard_GS1; Standard_GS2;
    Standard_GS3; Standard_GS4; Standard_GS5; Standard_GS4-8; Standard_GS4-4; Standard_GS5-16;
    Standard_GS5-8; Standard_H8; Standard_H16; Standard_H8m; Standard_H16m; Standard_H16r;
    Standard_H16mr; Standard_L4s; Standard_L8s; Standard_L16s; Standard_L32s; Standard_M64s;
    Standard_M64ms; Standard_M128s; Standard_M128ms; Standard_M64-32ms; Standard_M64-16ms;
    Standard_M128-64ms; Standard_M128-32ms; Standard_NC6; Standard_NC12; Standard_NC24;
    Standard_NC24r; Standard_NC6s_v2; Standard_NC12s_v2; Standard_NC24s_v2;
    Standard_NC24rs_v2; Standard_NC6s_v3; Standard_NC12s_v3; Standard_NC24s_v3;
    Standard_NC24rs_v3; Standard_ND6s; Standard_ND12s; Standard_ND24s; Standard_ND24rs;
    Standard_NV6; Standard_NV12; Standard_NV24
WindowsPatchAssessmentMode = ImageDefault; AutomaticByPlatform
WindowsVMGuestPatchAutomaticByPlatformRebootSetting = Unknown; IfRequired; Never; Always
WindowsVMGuestPatchMode = Manual; AutomaticByOS; AutomaticByPlatform
ZonalPlatformFaultDomainAlignMode = Aligned; Unaligned; BestEffortAligned
ZonePlacementPolicyType = Any; Auto
"""


class _Member(NamedTuple):
    """A member of a type: its name in Azure's spelling, and the name of its type or ''."""

    name: str
    kind: str


def _parse(table: str, separator: str | None = None) -> dict[str, list[str]]:
    """Return the values of each entry of a table, by entry name."""
    entries = re.split(r"^(\w+) =", table, flags=re.MULTILINE)[1:]
    return {
        name: [" ".join(word.split()) for word in words.split(separator)]
        for name, words in zip(entries[::2], entries[1::2], strict=True)
    }


def _members(words: list[str]) -> dict[str, _Member]:
    """Return the members of a type, by name in lower case."""
    members = [_Member(*word.partition(":")[::2]) for word in words]
    return {member.name.lower(): member for member in members}


TYPES = {name: _members(words) for name, words in _parse(_TYPES).items()}
VALUES = {
    name: {word.lower(): word for word in words} for name, words in _parse(_VALUES, ";").items()
}


def respell(body: Json, kind: str) -> Json:
    """Return a body with its members and values in Azure's spelling.

    Azure ignores their case. A value that is not in the table is not changed.

    Args:
        body: JSON of a request.
        kind: Name of its type.

    Raises:
        ApiError: The type does not have one of the members.
    """
    return _respell_object(body, kind, "", "")


def _respell_object(body: Json, kind: str, name: str, path: str) -> Json:
    respelled = {}
    for key, value in body.items():
        member = TYPES[kind].get(key.lower())
        if member is None:
            raise errors.unknown_member(key, name, path)
        member_path = f"{path}.{member.name}" if path else member.name
        respelled[member.name] = _respell_value(value, member, member_path)
    return respelled


def _respell_value(value: Any, member: _Member, path: str) -> Any:
    if isinstance(value, list):
        return [
            _respell_value(entry, member, f"{path}[{position}]")
            for position, entry in enumerate(value)
        ]
    if isinstance(value, dict) and member.kind in TYPES:
        return _respell_object(value, member.kind, member.name, path)
    if isinstance(value, str) and member.kind in VALUES:
        return VALUES[member.kind].get(value.lower(), value)
    return value
