//! Schema 901: clients and the driver.

use tensorpool_codecs::driver::{
    HugepagesPolicy, LeaseRevokeReason, PublishMode, ResponseCode, Role, ShmAttachRequest,
    ShmAttachResponse, ShmAttachResponsePayloadPool, ShmAttachResponseView, ShmDetachRequest,
    ShmDetachResponse, ShmDriverShutdown, ShmDriverShutdownRequest, ShmLeaseKeepalive,
    ShmLeaseRevoked, ShutdownReason,
};

use crate::support::golden;

pub(crate) const SHM_ATTACH_REQUEST: &str = "
    1B 00  01 00  85 03  01 00        # block 27, template 1, schema 901, version 1
    08 07 06 05 04 03 02 01           #  0 correlationId
    10 27 00 00                       #  8 streamId 10000
    07 00 00 00                       # 12 clientId 7
    01                                # 16 role PRODUCER
    01 00 00 00                       # 17 expectedLayoutVersion 1
    02                                # 21 publishMode EXISTING_OR_CREATE
    01                                # 22 requireHugepages STANDARD
    2A 00 00 00                       # 23 desiredNodeId 42
";

golden!(
    /// Proves [TP-WIRE-0710].
    shm_attach_request: SHM_ATTACH_REQUEST, ShmAttachRequest {
    correlation_id: 0x0102_0304_0506_0708,
    stream_id: 10000,
    client_id: 7,
    role: Role::Producer,
    expected_layout_version: 1,
    publish_mode: Some(PublishMode::ExistingOrCreate),
    require_hugepages: Some(HugepagesPolicy::Standard),
    desired_node_id: Some(42),
}, ShmAttachRequestView from driver, tails []);

pub(crate) const SHM_ATTACH_RESPONSE: &str = "
    36 00  02 00  85 03  01 00        # block 54, template 2, schema 901, version 1
    08 07 06 05 04 03 02 01           #  0 correlationId
    00 00 00 00                       #  8 code OK
    18 17 16 15 14 13 12 11           # 12 leaseId
    28 27 26 25 24 23 22 21           # 20 leaseExpiryTimestampNs
    10 27 00 00                       # 28 streamId 10000
    38 37 36 35 34 33 32 31           # 32 epoch
    01 00 00 00                       # 40 layoutVersion 1
    40 00 00 00                       # 44 headerNslots 64
    00 01                             # 48 headerSlotBytes 256
    2A 00 00 00                       # 50 nodeId 42
    0A 00  01 00                      # payloadPools: block 10, one entry
      01 00  40 00 00 00  00 10 00 00 #   poolId 1, poolNslots 64, strideBytes 4096
      03 00 00 00  61 2E 70           #   regionUri a.p
    04 00 00 00  68 2E 72 67          # headerRegionUri h.rg
    00 00 00 00                       # errorMessage empty
";

const POOLS: [ShmAttachResponsePayloadPool<'static>; 1] = [ShmAttachResponsePayloadPool {
    pool_id: 1,
    pool_nslots: 64,
    stride_bytes: 4096,
    region_uri: b"a.p",
}];

golden!(
    /// Proves [TP-WIRE-0720].
    shm_attach_response: SHM_ATTACH_RESPONSE, ShmAttachResponse {
    correlation_id: 0x0102_0304_0506_0708,
    code: ResponseCode::Ok,
    lease_id: Some(0x1112_1314_1516_1718),
    lease_expiry_timestamp_ns: Some(0x2122_2324_2526_2728),
    stream_id: Some(10000),
    epoch: Some(0x3132_3334_3536_3738),
    layout_version: Some(1),
    header_nslots: Some(64),
    header_slot_bytes: Some(256),
    node_id: Some(42),
    payload_pools: &POOLS,
    header_region_uri: b"h.rg",
    error_message: b"",
}, ShmAttachResponseView from driver, tails [4, 12], |decoded: &ShmAttachResponseView<'_>| {
    assert_eq!(decoded.correlation_id, 0x0102_0304_0506_0708);
    assert_eq!(decoded.code, ResponseCode::Ok);
    assert_eq!(decoded.lease_id, Some(0x1112_1314_1516_1718));
    assert_eq!(decoded.lease_expiry_timestamp_ns, Some(0x2122_2324_2526_2728));
    assert_eq!(decoded.stream_id, Some(10000));
    assert_eq!(decoded.epoch, Some(0x3132_3334_3536_3738));
    assert_eq!(decoded.layout_version, Some(1));
    assert_eq!(decoded.header_nslots, Some(64));
    assert_eq!(decoded.header_slot_bytes, Some(256));
    assert_eq!(decoded.node_id, Some(42));
    assert_eq!(decoded.payload_pools.iter().collect::<Vec<_>>(), POOLS);
    assert_eq!(decoded.header_region_uri, b"h.rg");
    assert_eq!(decoded.error_message, b"");
});

pub(crate) const SHM_DETACH_REQUEST: &str = "
    19 00  03 00  85 03  01 00        # block 25, template 3, schema 901, version 1
    08 07 06 05 04 03 02 01           #  0 correlationId
    18 17 16 15 14 13 12 11           #  8 leaseId
    10 27 00 00                       # 16 streamId 10000
    07 00 00 00                       # 20 clientId 7
    02                                # 24 role CONSUMER
";

golden!(
    /// Proves [TP-WIRE-0730].
    shm_detach_request: SHM_DETACH_REQUEST, ShmDetachRequest {
    correlation_id: 0x0102_0304_0506_0708,
    lease_id: 0x1112_1314_1516_1718,
    stream_id: 10000,
    client_id: 7,
    role: Role::Consumer,
}, ShmDetachRequestView from driver, tails []);

pub(crate) const SHM_DETACH_RESPONSE: &str = "
    0C 00  04 00  85 03  01 00        # block 12, template 4, schema 901, version 1
    08 07 06 05 04 03 02 01           #  0 correlationId
    04 00 00 00                       #  8 code INTERNAL_ERROR
    03 00 00 00  62 61 64             # errorMessage bad
";

golden!(
    /// Proves [TP-WIRE-0740].
    shm_detach_response: SHM_DETACH_RESPONSE, ShmDetachResponse {
    correlation_id: 0x0102_0304_0506_0708,
    code: ResponseCode::InternalError,
    error_message: b"bad",
}, ShmDetachResponseView from driver, tails [7]);

pub(crate) const SHM_LEASE_KEEPALIVE: &str = "
    19 00  05 00  85 03  01 00        # block 25, template 5, schema 901, version 1
    18 17 16 15 14 13 12 11           #  0 leaseId
    10 27 00 00                       #  8 streamId 10000
    07 00 00 00                       # 12 clientId 7
    01                                # 16 role PRODUCER
    28 27 26 25 24 23 22 21           # 17 clientTimestampNs
";

golden!(
    /// Proves [TP-WIRE-0750].
    shm_lease_keepalive: SHM_LEASE_KEEPALIVE, ShmLeaseKeepalive {
    lease_id: 0x1112_1314_1516_1718,
    stream_id: 10000,
    client_id: 7,
    role: Role::Producer,
    client_timestamp_ns: 0x2122_2324_2526_2728,
}, ShmLeaseKeepaliveView from driver, tails []);

pub(crate) const SHM_DRIVER_SHUTDOWN: &str = "
    09 00  06 00  85 03  01 00        # block 9, template 6, schema 901, version 1
    28 27 26 25 24 23 22 21           #  0 timestampNs
    02                                #  8 reason ERROR
    00 00 00 00                       # errorMessage empty
";

golden!(
    /// Proves [TP-WIRE-0760].
    shm_driver_shutdown: SHM_DRIVER_SHUTDOWN, ShmDriverShutdown {
    timestamp_ns: 0x2122_2324_2526_2728,
    reason: ShutdownReason::Error,
    error_message: b"",
}, ShmDriverShutdownView from driver, tails [4]);

pub(crate) const SHM_LEASE_REVOKED: &str = "
    1A 00  07 00  85 03  01 00        # block 26, template 7, schema 901, version 1
    28 27 26 25 24 23 22 21           #  0 timestampNs
    18 17 16 15 14 13 12 11           #  8 leaseId
    10 27 00 00                       # 16 streamId 10000
    07 00 00 00                       # 20 clientId 7
    01                                # 24 role PRODUCER
    02                                # 25 reason EXPIRED
    04 00 00 00  6C 61 74 65          # errorMessage late
";

golden!(
    /// Proves [TP-WIRE-0770].
    shm_lease_revoked: SHM_LEASE_REVOKED, ShmLeaseRevoked {
    timestamp_ns: 0x2122_2324_2526_2728,
    lease_id: 0x1112_1314_1516_1718,
    stream_id: 10000,
    client_id: 7,
    role: Role::Producer,
    reason: LeaseRevokeReason::Expired,
    error_message: b"late",
}, ShmLeaseRevokedView from driver, tails [8]);

pub(crate) const SHM_DRIVER_SHUTDOWN_REQUEST: &str = "
    09 00  08 00  85 03  01 00        # block 9, template 8, schema 901, version 1
    08 07 06 05 04 03 02 01           #  0 correlationId
    01                                #  8 reason ADMIN
    02 00 00 00  74 6B                # token tk
    01 00 00 00  78                   # errorMessage x
";

golden!(
    /// Proves [TP-WIRE-0780].
    shm_driver_shutdown_request: SHM_DRIVER_SHUTDOWN_REQUEST, ShmDriverShutdownRequest {
    correlation_id: 0x0102_0304_0506_0708,
    reason: ShutdownReason::Admin,
    token: b"tk",
    error_message: b"x",
}, ShmDriverShutdownRequestView from driver, tails [5, 11]);
