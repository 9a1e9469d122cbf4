//! Other drivers that answer on the control stream of this one. Each revokes the leases of the
//! other's clients, which know of neither: whoever runs them has to be told.

use tensorpool_codecs::driver::{ShmAttachResponseView, Template};
use tensorpool_codecs::gate::{Message, gate};

/// Others that are told of, each once.
const MAX_TOLD: usize = 16;

/// Who was heard on control. The driver hears itself there as well.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    /// Our session, and the one before it, whose last messages may still be unread.
    own: [Option<i32>; 2],
    told: Vec<i32>,
}

impl Rivals {
    /// Our own session on control, as it is now.
    pub(super) fn on_own_session(&mut self, session_id: Option<i32>) {
        if session_id.is_some() && session_id != self.own[0] {
            self.own = [session_id, self.own[0]];
        }
    }

    /// A message on control. If it is the answer to an attach request by a driver that was not told
    /// of: where its memory is, as far as it says.
    // [TP-DRV-0072]
    pub(super) fn on_message(&mut self, session_id: i32, message: &[u8]) -> Option<Option<String>> {
        if self.own.contains(&Some(session_id)) || self.told.contains(&session_id) {
            return None;
        }
        let template = gate(message).ok()?.message;
        // Others say good-bye as drivers do; only drivers answer.
        let Message::Driver(Template::ShmAttachResponse) = template else {
            return None;
        };
        let answer = ShmAttachResponseView::decode(message).ok()?;
        // [TP-DRV-0074]
        if self.told.len() == MAX_TOLD {
            return None;
        }
        self.told.push(session_id);
        let uri = String::from_utf8_lossy(answer.header_region_uri);
        Some((!uri.is_empty()).then(|| uri.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::driver::{
        ResponseCode, ShmAttachResponse, ShmDriverShutdown, ShutdownReason,
    };

    use super::*;

    const URI: &str = "shm:file?path=/dev/shm/other/header.ring";

    fn answer(uri: &str) -> Vec<u8> {
        let answer = ShmAttachResponse {
            correlation_id: 1,
            code: ResponseCode::Rejected,
            lease_id: None,
            lease_expiry_timestamp_ns: None,
            stream_id: None,
            epoch: None,
            layout_version: None,
            header_nslots: None,
            header_slot_bytes: None,
            node_id: None,
            payload_pools: &[],
            header_region_uri: uri.as_bytes(),
            error_message: b"",
        };
        let mut bytes = vec![0; answer.encoded_len().unwrap()];
        answer.encode(&mut bytes).unwrap();
        bytes
    }

    /// Proves [TP-DRV-0072].
    #[test]
    fn another_driver_on_control_is_noticed_by_its_answers() {
        let mut rivals = Rivals::default();
        rivals.on_own_session(Some(1));
        assert_eq!(rivals.on_message(1, &answer(URI)), None, "our own");
        rivals.on_own_session(None);
        rivals.on_own_session(Some(2));
        for own in [1, 2] {
            assert_eq!(
                rivals.on_message(own, &answer("")),
                None,
                "ours before, and now"
            );
        }
        let notice = ShmDriverShutdown {
            timestamp_ns: 1,
            reason: ShutdownReason::Normal,
            error_message: b"",
        };
        let mut bytes = vec![0; notice.encoded_len().unwrap()];
        notice.encode(&mut bytes).unwrap();
        assert_eq!(rivals.on_message(3, &bytes), None, "anybody may say that");
        assert_eq!(rivals.on_message(3, b"?"), None);
        assert_eq!(rivals.on_message(3, &answer("")), Some(None));
        assert_eq!(
            rivals.on_message(4, &answer(URI)),
            Some(Some(URI.to_owned()))
        );
    }

    /// Proves [TP-DRV-0074].
    #[test]
    fn each_other_driver_is_told_of_once_and_not_for_ever() {
        let mut rivals = Rivals::default();
        let news =
            (0..1_000).filter(|session| rivals.on_message(session % 100, &answer(URI)).is_some());
        assert_eq!(news.count(), MAX_TOLD);
    }
}
