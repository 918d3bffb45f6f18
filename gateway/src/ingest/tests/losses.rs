//! What a consumer makes of what it finds lost: the backlog's memory, or Kafka's.

use std::time::Duration;

use tokio::time::sleep;

use super::*;

/// A consumer reads and commits the first records, and stops.
async fn read_twenty(log: &MemoryLog, fake: &Fake) {
    produce_numbers(log, 0..20);
    let running = start(log, fake, options());
    until("all are committed", || committed(log) == Some(20)).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_data_set_makes_it_go_back_to_the_watermark() {
    let (log, fake, _) = setup(1);
    let running = start(&log, &fake, options());
    produce_numbers(&log, 0..100);
    until("they are committed", || committed(&log) == Some(100)).await;
    let marks = fake.0.lock().marks.clone();
    produce_numbers(&log, 100..200);
    until("more are appended", || fake.data("a").len() == 200).await;
    fake.fail_over(70, marks);
    until("the lost tail is appended again", || fake.data("a").len() == 200).await;
    assert_eq!(fake.data("a"), numbers(0..200));
    assert_eq!(running.monitor.counters().rewinds.get(), 1);
    assert_eq!(fake.0.lock().breaks, 0, "nothing was lost");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_flushed_backlog_is_noticed_while_idle_and_tears_the_epochs() {
    let (log, fake, _) = setup(1);
    let running = start(&log, &fake, options());
    produce_numbers(&log, 0..10);
    until("they are committed", || committed(&log) == Some(10)).await;
    {
        let mut shared = fake.0.lock();
        shared.marks.clear();
        shared.channels.clear();
        shared.places.clear();
        // By a replica whose clock is ahead, and ours hasn't heard of it yet.
        shared.breaks = 1 << 50;
    }
    until("it is noticed", || running.monitor.counters().rewinds.get() == 1).await;
    until("the break number is raised", || fake.0.lock().breaks > 1 << 50).await;
    produce(&log, 0, "a", "10");
    until("it goes on", || !fake.data("a").is_empty()).await;
    let shared = fake.0.lock();
    assert_eq!(shared.breaks_of_batches.last(), Some(&Breaks::of("group", shared.breaks)), "batches carry it");
    drop(shared);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn consumers_that_notice_one_loss_raise_the_break_number_once() {
    let (log, fake, _) = setup(2);
    let both = [start(&log, &fake, options()), start(&log, &fake, options())];
    for partition in 0..2 {
        produce(&log, partition, "a", "0");
    }
    let marked = |fake: &Fake| fake.0.lock().marks.values().filter(|offset| **offset == 1).count();
    until("both have marked", || marked(&fake) == 2).await;
    for loss in 1..=2 {
        {
            let mut shared = fake.0.lock();
            shared.marks.clear();
            shared.memory += 1;
        }
        let noticed = || both.iter().all(|one| one.monitor.counters().rewinds.get() == loss);
        until("both have noticed", noticed).await;
        until("both have marked again", || marked(&fake) == 2).await;
        assert_eq!(fake.0.lock().raises as u64, loss);
    }
    for one in both {
        one.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_reset_by_hand_replay_exactly_those_records_as_new() {
    let (log, fake, at) = setup(1);
    read_twenty(&log, &fake).await;
    let by_hand = crate::source::Committed { offset: 15, metadata: String::new() };
    log.set_committed("group", &at, Some(by_hand));
    let running = start(&log, &fake, options());
    until("they come again", || fake.data("a").len() == 25).await;
    assert_eq!(fake.data("a")[20..], numbers(15..20));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fake.data("a").len(), 25);
    assert_eq!(fake.0.lock().breaks, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn records_that_an_offset_set_by_hand_passes_over_are_told_by_a_break() {
    let (log, fake, at) = setup(1);
    read_twenty(&log, &fake).await;
    produce_numbers(&log, 20..30);
    let by_hand = crate::source::Committed { offset: 25, metadata: String::new() };
    log.set_committed("group", &at, Some(by_hand));
    let running = start(&log, &fake, options());
    until("it goes on there", || fake.data("a").len() == 25).await;
    assert_eq!(fake.data("a")[20..], numbers(25..30));
    assert_eq!(fake.0.lock().breaks, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_had_to_skip_is_known_before_the_first_record_is_appended() {
    let (log, fake, at) = setup(1);
    read_twenty(&log, &fake).await;
    produce_numbers(&log, 20..30);
    log.set_committed("group", &at, Some(crate::source::Committed { offset: 30, metadata: String::new() }));
    // It raises the number, marks and commits, and loses the partition before a record comes.
    let other = start(&log, &fake, options());
    let is_ours = || !log.committed("group", &at).unwrap().metadata.is_empty();
    until("it has resolved where to go on", is_ours).await;
    other.stop().await;
    assert_eq!(fake.0.lock().breaks, 1);
    produce_numbers(&log, 30..31);
    let running = start(&log, &fake, options());
    until("it goes on there", || fake.data("a").len() == 21).await;
    assert_eq!(fake.0.lock().breaks_of_batches.last(), Some(&Breaks::of("group", 1)));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_created_anew_is_read_from_its_start_although_the_consumer_lives() {
    let (log, fake, _) = setup(1);
    produce_numbers(&log, 0..20);
    let running = start(&log, &fake, options());
    until("all are committed", || committed(&log) == Some(20)).await;
    log.create_topic("t", 1);
    produce_numbers(&log, 20..60);
    until("the new life's records are there", || fake.data("a").ends_with(&numbers(20..60))).await;
    assert!(fake.0.lock().breaks > 0, "what the old one still held is unknown");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn records_lost_to_retention_are_told_by_a_break() {
    let (log, fake, _) = setup(1);
    read_twenty(&log, &fake).await;
    produce_numbers(&log, 20..40);
    log.delete_before("t", 0, 30);
    let running = start(&log, &fake, options());
    until("it goes on at the log's start", || fake.data("a").len() == 30).await;
    assert_eq!(fake.data("a")[20..], numbers(30..40));
    assert!(fake.0.lock().breaks > 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_truncated_log_begins_a_generation() {
    let (log, fake, _) = setup(1);
    produce_numbers(&log, 0..20);
    let running = start(&log, &fake, options());
    until("all are committed", || committed(&log) == Some(20)).await;
    log.truncate("t", 0, 10);
    until("it is noticed", || running.monitor.counters().skips[1].get() == 1).await;
    produce(&log, 0, "a", "again");
    until("what is written there now is no repeat", || fake.data("a").last().is_some_and(|last| last == "again")).await;
    running.stop().await;
}
