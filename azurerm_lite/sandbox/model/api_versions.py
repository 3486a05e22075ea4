"""The api-versions that Azure accepts, and what changed in each."""

from __future__ import annotations

# The versions of scale sets, VMs and images, newest first, with what changed in each. Responses
# differ only if handlers/render.py compares with a version. A version newer than the first is
# accepted and treated like the first.
COMPUTE = {
    "2026-04-01": "migration between zones; diagnostic run commands; more enum values",
    "2026-03-01": "",
    "2025-11-01": "`virtualMachineResourceId` of a member of a Flexible set; lifecycle hooks",
    "2025-04-01": "`highSpeedInterconnectPlacement` of a Flexible set; `scaleOut`",
    "2024-11-01": "no more `zones: [null]` in members of Flexible sets; etags in lists of VMs",
    "2024-07-01": "`resilientVMDeletionStatus` of a single instance; `maxSurge`",
    "2024-03-01": "",
    "2023-09-01": "`etag` and `If-Match`; protection of members of a Flexible set",
    "2023-07-01": "`timeCreated` of the model",
    "2023-03-01": "",
    "2022-11-01": "`hardwareProfile.vmSize` of an instance",
    "2022-08-01": "",
    "2022-03-01": "",
    "2021-11-01": "",
    "2021-07-01": "",
    "2021-04-01": "",
    "2021-03-01": "",
    "2020-12-01": "",
    "2020-06-01": "",
    "2019-12-01": "",
    "2019-07-01": "",
    "2019-03-01": "",
    "2018-10-01": "",
    "2018-06-01": "",
    "2018-04-01": "",
    "2017-12-01": "",
    "2017-03-30": "",
    "2016-08-30": "",
    "2016-04-30-preview": "",
    "2016-03-30": "",
    "2015-06-15": "",
    "2015-05-01-preview": "",
}
# The versions of galleries, newest first. They do not change the sandbox's responses.
GALLERIES = {
    "2026-03-03": "",
    "2025-12-03": "invitations to shared galleries",
    "2025-03-03": "scripts in galleries",
    "2024-03-03": "",
    "2023-07-03": "",
    "2022-08-03": "",
    "2022-03-03": "",
    "2022-01-03": "",
    "2021-10-01": "",
    "2021-07-01": "",
    "2020-09-30": "",
    "2019-12-01": "",
    "2019-07-01": "",
    "2019-03-01": "",
    "2018-06-01": "",
}
SKUS = {"2021-07-01": "", "2019-04-01": "", "2017-09-01": "", "2017-03-30": ""}
