//! Random walks against a model that keeps all that was ever said and judges from that.

use proptest::prelude::*;

use super::*;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    /// An assignment (0 declines), of shared memory or not.
    Config(u32, bool),
    Half(u32),
    Foreign(u32),
    Image(bool),
    Regrant,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..1_500).prop_map(Step::Wait),
        6 => (0u32..4, any::<bool>()).prop_map(|(id, shm)| Step::Config(id, shm)),
        1 => (1u32..4).prop_map(Step::Half),
        1 => (1u32..4).prop_map(Step::Foreign),
        3 => any::<bool>().prop_map(Step::Image),
        1 => Just(Step::Regrant),
    ];
    prop::collection::vec(step, 1..80)
}

/// What is in force, told by its history: when whom was last believed, and when there was an image.
#[derive(Debug)]
struct Model {
    own: u32,
    use_shm: bool,
    believed_at: u64,
    last_image: Option<u64>,
    no_image_since: u64,
    changes: u64,
}

impl Model {
    const NEW: Self = Self {
        own: 0,
        use_shm: true,
        believed_at: 0,
        last_image: None,
        no_image_since: 0,
        changes: 0,
    };

    fn is_silent(&self, now: u64) -> bool {
        self.own != 0 && self.last_image.is_none() && now - self.no_image_since >= 3_000
    }

    fn config(&mut self, now: u64, id: u32, use_shm: bool) {
        let other = id != 0 && self.own != 0 && id != self.own;
        if other && now - self.believed_at < 2_000 && !self.is_silent(now) {
            return;
        }
        self.believed_at = now;
        if id != self.own {
            (self.own, self.last_image, self.no_image_since) = (id, None, now);
            self.changes += 1;
        }
        self.use_shm = use_shm;
    }

    fn image(&mut self, now: u64, has_image: bool) {
        match (has_image, self.last_image) {
            (true, _) => self.last_image = Some(now),
            (false, Some(_)) => (self.last_image, self.no_image_since) = (None, now),
            (false, None) => {}
        }
    }
}

proptest! {
    /// Proves [TP-CLI-2170], [TP-CLI-2199].
    #[test]
    fn what_is_in_force_is_what_the_whole_history_says(steps in steps()) {
        let mut follower = follower(ConsumerWishes::default());
        let (mut model, mut now) = (Model::NEW, 10_000);
        let mut subscriptions = 0;
        for step in steps {
            let before = follower.settings().descriptor.clone();
            match step {
                Step::Wait(ms) => now += ms,
                Step::Config(id, use_shm) => {
                    let base = if id == 0 { config() } else { assigning(id) };
                    hear(&mut follower, at(now), &ConsumerConfig { use_shm, ..base });
                    model.config(now, id, use_shm);
                }
                Step::Half(id) => {
                    let half = ConsumerConfig { descriptor_stream_id: id, use_shm: false, ..config() };
                    hear(&mut follower, at(now), &half);
                }
                Step::Foreign(id) => {
                    let foreign = ConsumerConfig { consumer_id: ClientId::new(8), ..assigning(id) };
                    hear(&mut follower, at(now), &foreign);
                }
                Step::Image(has_image) => {
                    follower.on_own_stream(at(now), has_image);
                    if model.own != 0 {
                        model.image(now, has_image);
                    }
                }
                Step::Regrant => {
                    follower.on_lost();
                    follower.on_granted(STREAM, US);
                    model = Model { believed_at: 0, changes: model.changes + u64::from(model.own != 0), ..Model::NEW };
                }
            }
            follower.on_timeout(at(now));
            let settings = follower.settings();
            prop_assert_eq!(settings.descriptor.clone(), (model.own != 0).then(|| endpoint(model.own)));
            prop_assert_eq!(settings.use_shm, model.use_shm);
            prop_assert_eq!(follower.needs_shared(), model.own == 0 || model.is_silent(now));
            subscriptions += u64::from(before != settings.descriptor);
        }
        prop_assert_eq!(subscriptions, model.changes, "one change-over for each change of the stream");
    }
}
