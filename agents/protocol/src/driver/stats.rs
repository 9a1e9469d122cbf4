//! Plain counts of what the lease table did; the agent mirrors them into counters.

/// Monotone counts, and four gauges at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseStats {
    /// Attach requests heard.
    pub attach_requests: u64,
    /// Leases granted.
    pub attach_granted: u64,
    /// Grants said again to a client that retried.
    pub attach_resent: u64,
    /// Requests that joined one still under way.
    pub attach_joined: u64,
    /// Attaches answered by an error.
    pub attach_refused: u64,
    /// Attaches dropped for lack of room; the client retries.
    pub attach_dropped: u64,
    /// Detach requests heard.
    pub detach_requests: u64,
    /// Detaches answered OK.
    pub detach_ok: u64,
    /// Detaches answered by an error.
    pub detach_refused: u64,
    /// Detach requests that joined one still under way.
    pub detach_joined: u64,
    /// Detaches dropped for lack of room; the client retries.
    pub detach_dropped: u64,
    /// Keepalives that extended a lease.
    pub keepalives: u64,
    /// Keepalives for leases the driver does not know.
    pub keepalives_unknown: u64,
    /// Keepalives that name a known lease with another holder, stream or role; ignored.
    pub keepalives_mismatched: u64,
    /// Leases ended by their holder.
    pub leases_detached: u64,
    /// Leases ended for lack of keepalives.
    pub leases_expired: u64,
    /// Leases ended because their memory was destroyed or their grant could not be said.
    pub leases_revoked: u64,
    /// Answers to keepalives of unknown leases.
    pub unknown_leases_revoked: u64,
    /// Announces carried out.
    pub announces: u64,
    /// Announces withdrawn before they were sent, because their epoch ended.
    pub announces_withdrawn: u64,
    /// Epochs begun.
    pub epochs: u64,
    /// Epochs whose regions could not be created.
    pub provision_failures: u64,
    /// Superseded epochs handed out for unlinking.
    pub epochs_retired: u64,
    /// Superseded epochs whose files were left, as collection is turned off.
    pub epochs_abandoned: u64,
    /// Grants that could not be said, whose leases ended at once.
    pub grants_unsaid: u64,
    /// Activity refreshes handed out.
    pub activity_refreshes: u64,
    /// Answers of the region worker nobody waits for.
    pub stale_region_answers: u64,
    /// Dynamic streams that came into being.
    pub streams_created: u64,
    /// Dynamic streams that were given up.
    pub streams_given_up: u64,
    /// Stalls of the driver for which leases were extended.
    pub stalls: u64,
    /// Shutdown requests with a wrong or no token.
    pub shutdown_requests_ignored: u64,
    /// Leases held now.
    pub leases: u64,
    /// Attaches waiting for memory now.
    pub attaches_waiting: u64,
    /// Streams there are now, configured and dynamic.
    pub streams: u64,
    /// Streams with live memory now.
    pub streams_live: u64,
}
