use super::*;

/// Proves [TP-SHM-0710].
#[test]
fn commit_word_carries_the_sequence_and_the_committed_bit() {
    let word = CommitWord::committed(Seq::new(7));
    assert_eq!(word.raw(), 15);
    assert_eq!(word.seq(), Seq::new(7));
    assert!(word.is_committed());
    let word = CommitWord::writing(Seq::new(7));
    assert_eq!(word.raw(), 14);
    assert_eq!(word.seq(), Seq::new(7));
    assert!(!word.is_committed());
}

#[test]
fn sequence_zero_committed_is_not_virgin_but_writing_is() {
    assert!(CommitWord::writing(Seq::new(0)).is_virgin());
    assert!(!CommitWord::committed(Seq::new(0)).is_virgin());
}

#[test]
fn a_write_goes_through_writing_to_committed() {
    let word = AtomicU64::new(0);
    begin_write(&word, Seq::new(3));
    assert_eq!(observe(&word), CommitWord::writing(Seq::new(3)));
    commit(&word, Seq::new(3));
    assert_eq!(observe(&word), CommitWord::committed(Seq::new(3)));
    assert_eq!(observe_again(&word), CommitWord::committed(Seq::new(3)));
}
