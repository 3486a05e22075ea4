// Put a new version into the model and upgrade one update domain after another.
// Arguments: the folder of the packages, resource group, scale set, version.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [folder, group, name, version] = process.argv.slice(2);
const require = createRequire(pathToFileURL(path.join(folder, "index.js")));
const { EnvironmentCredential } = require("@azure/identity");
const { ComputeManagementClient } = require("@azure/arm-compute");

const endpoint = process.env.AZURE_RM_ENDPOINT;
const credential = new EnvironmentCredential({
  authorityHost: process.env.AZURE_AUTHORITY_HOST,
  disableInstanceDiscovery: true,
});
const client = new ComputeManagementClient(credential, process.env.AZURE_SUBSCRIPTION_ID, {
  endpoint,
  credentials: { scopes: [`${endpoint}/.default`] },
});

const model = await client.virtualMachineScaleSets.get(group, name);
model.properties ??= model;
const profile = model.properties.virtualMachineProfile;
profile.storageProfile.imageReference.version = version;
await client.virtualMachineScaleSets.createOrUpdate(group, name, model);

const domains = new Map();
const instances = client.virtualMachineScaleSetVMs.list(group, name, { expand: "instanceView" });
for await (const vm of instances) {
  const view = (vm.properties ?? vm).instanceView;
  const ids = domains.get(view.platformUpdateDomain) ?? [];
  domains.set(view.platformUpdateDomain, [...ids, vm.instanceId]);
}
for (const [domain, instanceIds] of [...domains].sort(([a], [b]) => a - b)) {
  await client.virtualMachineScaleSets.updateInstances(group, name, { instanceIds });
  console.log(`domain ${domain}: ${instanceIds.join(" ")}`);
}
