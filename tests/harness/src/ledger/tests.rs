//! Planted histories: each broken promise must be found, and nothing else.

use super::*;

fn ledger(events: u64) -> Ledger {
    let mut ledger = Ledger::default();
    for _ in 0..events {
        ledger.next("a");
    }
    ledger
}

fn event(sequence: u64) -> Observed {
    Observed::Event { channel: "a".to_owned(), sequence }
}

fn events(sequences: impl IntoIterator<Item = u64>) -> Vec<Observed> {
    sequences.into_iter().map(event).collect()
}

fn gap(missing: Option<u64>, may_repeat: bool) -> Observed {
    Observed::Gap { channel: "a".to_owned(), reason: "epoch".to_owned(), missing, may_repeat }
}

fn judge(produced: u64, observed: &[Observed]) -> Verdict {
    ledger(produced).judge("client", &[("a", 1)], observed)
}

#[test]
fn a_whole_history_with_reconnects_is_spotless() {
    let mut observed = events(1..=5);
    observed.push(Observed::Reconnect);
    observed.extend(events(6..=9));
    let verdict = judge(9, &observed);
    assert!(verdict.spotless(), "{verdict}");
    assert_eq!((verdict.received, verdict.reconnects), (9, 1));
}

#[test]
fn a_loss_in_the_middle_is_found_at_its_place() {
    let verdict = judge(6, &events([1, 2, 5, 6]));
    assert_eq!((verdict.lost, verdict.repeated, verdict.reordered), (2, 0, 0));
    let first = &verdict.offences[0];
    assert_eq!((first.kind, first.place, first.expected), (Kind::Lost, 2, 3));
}

#[test]
fn a_loss_at_the_start_and_one_at_the_end_are_found() {
    assert_eq!(judge(4, &events([2, 3, 4])).lost, 1);
    assert_eq!(judge(4, &events([1, 2, 3])).lost, 1);
    assert_eq!(judge(4, &[]).lost, 4);
}

#[test]
fn a_late_subscriber_misses_nothing_of_what_came_before() {
    assert!(ledger(5).judge("client", &[("a", 4)], &events([4, 5])).spotless());
}

#[test]
fn a_repeat_is_found() {
    let verdict = judge(4, &events([1, 2, 2, 3, 4]));
    assert_eq!((verdict.lost, verdict.repeated, verdict.reordered), (0, 1, 0));
    assert_eq!(verdict.offences[0].place, 2);
    let verdict = judge(4, &events([1, 2, 3, 1, 2, 3, 4]));
    assert_eq!((verdict.lost, verdict.repeated), (0, 3));
}

#[test]
fn a_swap_is_out_of_order_and_no_loss() {
    let verdict = judge(4, &events([1, 3, 2, 4]));
    assert_eq!((verdict.lost, verdict.repeated, verdict.reordered), (0, 0, 1));
    assert_eq!((verdict.offences[0].expected, verdict.offences[0].found), (4, 2));
}

#[test]
fn a_gap_excuses_the_loss_that_it_covers() {
    let observed = [events([1]), vec![gap(Some(2), false)], events([4])].concat();
    let verdict = judge(4, &observed);
    assert!(verdict.kept() && !verdict.spotless(), "{verdict}");
    assert_eq!((verdict.excused_losses, verdict.gaps_told()), (2, 1));
    let observed = [events([1]), vec![gap(None, false)], events([4])].concat();
    assert!(judge(4, &observed).kept());
}

#[test]
fn a_gap_that_claims_fewer_excuses_nothing() {
    let observed = [events([1]), vec![gap(Some(1), false)], events([4])].concat();
    assert_eq!(judge(4, &observed).lost, 2);
}

#[test]
fn a_gap_elsewhere_excuses_nothing() {
    let before = [events([1]), vec![gap(None, false)], events([2, 4])].concat();
    assert_eq!(judge(4, &before).lost, 1);
    let after = [events([1, 3]), vec![gap(None, false)], events([4])].concat();
    assert_eq!(judge(4, &after).lost, 1);
    let other = Observed::Gap { channel: "b".to_owned(), reason: "epoch".to_owned(), missing: None, may_repeat: true };
    let observed = [events([1]), vec![other], events([3])].concat();
    assert_eq!(ledger(3).judge("client", &[("a", 1), ("b", 1)], &observed).lost, 1);
}

#[test]
fn a_gap_at_the_end_excuses_the_tail() {
    let observed = [events([1, 2]), vec![gap(None, false)]].concat();
    let verdict = judge(4, &observed);
    assert!(verdict.kept(), "{verdict}");
    assert_eq!(verdict.excused_losses, 2);
}

#[test]
fn repeats_are_excused_after_a_gap_that_says_so_and_until_the_client_is_back() {
    let observed = [events([1, 2, 3, 4]), vec![gap(Some(0), true)], events([3, 4, 5])].concat();
    let verdict = judge(5, &observed);
    assert!(verdict.kept(), "{verdict}");
    assert_eq!(verdict.excused_repeats, 2);
    let observed = [events([1, 2, 3, 4]), vec![gap(Some(0), true)], events([3, 4, 5, 5])].concat();
    assert_eq!(judge(5, &observed).repeated, 1);
    let observed = [events([1, 2, 3, 4]), vec![gap(Some(0), true)], events([5, 4])].concat();
    assert_eq!(judge(5, &observed).repeated, 1, "the client was back already");
}

#[test]
fn repeats_after_a_gap_that_does_not_say_so_are_found() {
    let observed = [events([1, 2, 3]), vec![gap(None, false)], events([2, 3, 4])].concat();
    assert_eq!(judge(4, &observed).repeated, 2);
}

#[test]
fn a_repetition_may_be_out_of_order_no_more_than_the_first_time() {
    let observed = [events([1, 2, 3, 4]), vec![gap(None, true)], events([2, 4, 3, 5])].concat();
    let verdict = judge(5, &observed);
    assert!(!verdict.kept(), "{verdict}");
}

#[test]
fn a_loss_told_may_be_made_good_by_a_later_repetition() {
    let observed =
        [events([1]), vec![gap(None, false)], events([4]), vec![gap(None, true)], events([2, 3, 4, 5])].concat();
    let verdict = judge(5, &observed);
    assert!(verdict.kept(), "{verdict}");
    assert_eq!((verdict.excused_losses, verdict.excused_repeats), (0, 1));
}

#[test]
fn a_skip_beyond_what_was_repeated_is_a_loss() {
    let observed = [events([1, 2, 3]), vec![gap(Some(0), true)], events([2, 6])].concat();
    let verdict = judge(6, &observed);
    assert_eq!(verdict.lost, 2, "{verdict}");
}

#[test]
fn an_event_for_somebody_else_or_of_nobody_is_misdelivered() {
    let stranger = Observed::Event { channel: "b".to_owned(), sequence: 1 };
    assert_eq!(judge(1, &[event(1), stranger]).misdelivered, 1);
    assert_eq!(judge(1, &events([1, 2])).misdelivered, 1);
}

#[test]
fn verdicts_of_many_clients_add_up_and_keep_each_first_offence() {
    let mut sum = Verdict::default();
    sum.add(judge(3, &events([1, 2, 3])));
    sum.add(judge(3, &events([1, 3])));
    sum.add(judge(3, &events([1, 2, 2, 3])));
    assert_eq!((sum.clients, sum.lost, sum.repeated, sum.offences.len()), (3, 1, 1, 2));
    assert!(sum.to_string().contains("lost 1, repeated 1"), "{sum}");
}
