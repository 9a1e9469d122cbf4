//! A bounded queue of owned actions with reservations: what must be said later has its room from
//! the start.

use std::collections::VecDeque;

/// A bounded first-in first-out queue of actions, read by peek and pop so that back-pressure loses
/// nothing.
///
/// Room is either free or reserved. A core that accepts a request whose answer comes later calls
/// [`reserve`] first and [`push_reserved`] when the answer is due; that push cannot fail. What can
/// be asked for again uses [`try_push`], which never eats into reservations. Storage is allocated
/// once.
///
/// [`reserve`]: Outbox::reserve
/// [`push_reserved`]: Outbox::push_reserved
/// [`try_push`]: Outbox::try_push
#[derive(Clone, Debug)]
pub struct Outbox<T> {
    queue: VecDeque<T>,
    capacity: usize,
    reserved: usize,
    popped: u64,
}

impl<T> Outbox<T> {
    /// An empty outbox for at most `capacity` actions, queued and reserved together.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            queue: VecDeque::with_capacity(capacity),
            capacity,
            reserved: 0,
            popped: 0,
        }
    }

    /// Actions that still fit beyond those queued and reserved.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity - self.queue.len() - self.reserved
    }

    /// Queued actions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Actions promised but not yet queued.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.reserved
    }

    /// Queues an action if there is free room, else hands it back.
    ///
    /// # Errors
    /// The action itself, unchanged.
    pub fn try_push(&mut self, action: T) -> Result<(), T> {
        if self.free() == 0 {
            return Err(action);
        }
        self.queue.push_back(action);
        Ok(())
    }

    /// Sets `count` places aside; `false`, and nothing set aside, when they are not free.
    #[must_use]
    pub fn reserve(&mut self, count: usize) -> bool {
        if self.free() < count {
            return false;
        }
        self.reserved += count;
        true
    }

    /// Gives `count` reserved places back.
    ///
    /// # Panics
    /// When fewer are reserved: a broken invariant of the caller.
    pub fn release(&mut self, count: usize) {
        assert!(
            count <= self.reserved,
            "released {count} of {} reserved places",
            self.reserved
        );
        self.reserved -= count;
    }

    /// Queues an action in a place reserved before.
    ///
    /// # Panics
    /// When nothing is reserved: a broken invariant of the caller.
    pub fn push_reserved(&mut self, action: T) {
        self.release(1);
        self.queue.push_back(action);
    }

    /// The oldest action.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.queue.front()
    }

    /// Removes the oldest action; call it only after the action was carried out.
    pub fn pop(&mut self) -> Option<T> {
        let action = self.queue.pop_front()?;
        self.popped += 1;
        Some(action)
    }

    /// Ticket of the newest queued action: it has left once [`popped`](Self::popped) reaches this
    /// number.
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.popped + self.queue.len() as u64
    }

    /// Actions popped so far.
    #[must_use]
    pub fn popped(&self) -> u64 {
        self.popped
    }

    /// Queued actions, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_keep_their_room() {
        let mut outbox = Outbox::with_capacity(3);
        assert!(outbox.reserve(2));
        assert_eq!(outbox.try_push('a'), Ok(()));
        assert_eq!(outbox.try_push('b'), Err('b'));
        outbox.push_reserved('c');
        outbox.release(1);
        assert_eq!(outbox.try_push('d'), Ok(()));
        assert!(!outbox.reserve(1));
        assert_eq!(outbox.iter().copied().collect::<String>(), "acd");
    }

    #[test]
    fn tickets_tell_when_an_action_has_left() {
        let mut outbox = Outbox::with_capacity(4);
        outbox.try_push(1).unwrap();
        outbox.try_push(2).unwrap();
        let ticket = outbox.ticket();
        outbox.try_push(3).unwrap();
        assert_eq!(outbox.pop(), Some(1));
        assert!(outbox.popped() < ticket);
        assert_eq!(outbox.peek(), Some(&2));
        outbox.pop();
        assert!(outbox.popped() >= ticket);
    }

    #[test]
    #[should_panic(expected = "reserved")]
    fn pushing_without_a_reservation_is_a_bug() {
        Outbox::with_capacity(1).push_reserved(());
    }
}
