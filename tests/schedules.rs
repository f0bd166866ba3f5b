//! Jobs: when they run, what becomes of what was missed or overlaps, and that a restart repeats and loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rocketbotte::event::{Event, EventKind, Scheduled, Timestamp};
use rocketbotte::handler::route;
use rocketbotte::journal::{DiskJournal, Journal, MemoryJournal};
use rocketbotte::layer::{TimeoutLayer, from_fn};
use rocketbotte::schedule::{Missed, Once, Overlap, Schedule, ScheduleErrorKind, Schedules, WallClock};
use rocketbotte::testing::{TestBot, events};
use rocketbotte::transport::Arrival;
use rocketbotte::{BoxError, Context, Request, Response, Router};
use support::{Driven, Log, Recorder, after, after_secs, drive_with, message_in};
use tokio::time::Instant;
use tower::{Service, ServiceBuilder};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn time(text: &str) -> SystemTime {
    Timestamp::parse(text).unwrap().to_system_time().unwrap()
}

fn noon() -> SystemTime {
    time("2026-05-04T12:00:00.000Z")
}

/// What ran: seconds behind noon when it was due, seconds of the test when it began, and how it arrived.
#[derive(Clone)]
struct Runs {
    began: Instant,
    log: Arc<Mutex<Vec<(i64, u64, Arrival)>>>,
}

impl Runs {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            log: Arc::default(),
        }
    }

    fn note(&self, run: &Scheduled, arrival: Arrival) {
        let noon = Timestamp::from_system_time(noon()).unwrap().as_millis();
        let due = (run.due().as_millis() - noon).div_euclid(1000);
        self.log
            .lock()
            .unwrap()
            .push((due, self.began.elapsed().as_secs(), arrival));
    }

    fn all(&self) -> Vec<(i64, u64, Arrival)> {
        self.log.lock().unwrap().clone()
    }

    fn dues(&self) -> Vec<i64> {
        self.all().iter().map(|(due, ..)| *due).collect()
    }

    /// A router with one job, whose handler takes this long.
    fn router(&self, schedule: Schedule, takes: Duration) -> Router {
        let runs = self.clone();
        let handler = async move |run: Arc<Scheduled>, request: Request| {
            runs.note(&run, request.context().arrival());
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            format!("run of {}", run.due())
        };
        Router::new().schedule("job", schedule, route(handler).named("job").to("GENERAL"))
    }
}

fn serve<S>(clock: &WallClock, app: S) -> Driven
where
    S: Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static,
{
    let clock = clock.clone();
    drive_with(Recorder::new(), move |serve| serve.wall_clock(clock), app)
}

fn serve_with<S>(clock: &WallClock, journal: impl Journal, app: S) -> Driven
where
    S: Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static,
{
    let clock = clock.clone();
    let configure =
        move |serve: rocketbotte::dispatch::Serve<support::Events>| serve.wall_clock(clock).journal(journal);
    drive_with(Recorder::new(), configure, app)
}

#[tokio::test(start_paused = true)]
async fn overlapping_runs_are_left_out_wait_or_run_beside_each_other() {
    let rows = [
        (Overlap::Skip, vec![(10, 10), (40, 40), (70, 70)]),
        (Overlap::Queue(1), vec![(10, 10), (20, 35), (40, 60)]),
        (Overlap::Queue(0), vec![(10, 10), (40, 40), (70, 70)]),
        (
            Overlap::Allow,
            (1..=7)
                .map(|n| (n * 10, u64::try_from(n * 10).unwrap()))
                .collect(),
        ),
    ];
    for (overlap, expected) in rows {
        let runs = Runs::new();
        let schedule = Schedule::every(Duration::from_secs(10)).overlap(overlap);
        let bot = serve(
            &WallClock::starting_at(noon()),
            runs.router(schedule, Duration::from_secs(25)),
        );
        after_secs(75).await;
        let ran: Vec<_> = runs.all().iter().map(|(due, at, _)| (*due, *at)).collect();
        assert_eq!(ran, expected, "{overlap:?}");
        bot.handle.shutdown();
        bot.handle.shutdown();
        let _ = bot.result().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_sleeping_machine_missed_is_made_up_for_as_the_job_says() {
    let made_up = |due: i64| (due, 600, Arrival::CaughtUp);
    let rows = [
        (Missed::Skip, vec![]),
        (Missed::Once, vec![made_up(10_800)]),
        (Missed::All(0), vec![]),
        (
            Missed::All(3),
            vec![made_up(9600), made_up(10_200), made_up(10_800)],
        ),
        (Missed::All(1000), (1..=18).map(|n| made_up(n * 600)).collect()),
    ];
    for (missed, expected) in rows {
        let (runs, clock) = (Runs::new(), WallClock::starting_at(noon()));
        let bot = serve(
            &clock,
            runs.router(Schedule::every(10 * MINUTE).missed(missed), Duration::ZERO),
        );
        after(5 * MINUTE).await;
        clock.set(noon() + 3 * HOUR + 5 * MINUTE);
        // It looks at the clock every minute.
        after(2 * MINUTE).await;
        let ran: Vec<_> = runs.all().iter().map(|(due, _, how)| (*due, 600, *how)).collect();
        assert_eq!(ran, expected, "{missed:?}");
        assert!(runs.all().iter().all(|(_, at, _)| *at <= 361), "{:?}", runs.all());
        // And it goes on as before.
        after(9 * MINUTE).await;
        assert_eq!(
            runs.all().last().map(|(due, _, how)| (*due, *how)),
            Some((11_400, Arrival::Live))
        );
        drop(bot);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_does_not_stop_a_job() {
    let (runs, clock) = (Runs::new(), WallClock::starting_at(noon()));
    let bot = serve(&clock, runs.router(Schedule::every(10 * MINUTE), Duration::ZERO));
    after(11 * MINUTE).await;
    clock.set(noon() - 48 * HOUR);
    after(21 * MINUTE).await;
    assert_eq!(runs.all().len(), 3, "{:?}", runs.all());
    bot.shut_down().await;
}

#[cfg(feature = "cron")]
#[tokio::test(start_paused = true)]
async fn cron_goes_by_the_wall_also_when_summer_time_begins_and_ends() {
    let rows = [
        (
            "2026-03-28T00:00:00.000Z",
            "30 2 * * *",
            // On the 29th there is no half past two.
            vec![
                "2026-03-28T01:30:00.000Z",
                "2026-03-29T01:00:00.000Z",
                "2026-03-30T00:30:00.000Z",
            ],
        ),
        (
            "2026-10-24T00:00:00.000Z",
            "30 2 * * *",
            // On the 25th there are two.
            vec![
                "2026-10-24T00:30:00.000Z",
                "2026-10-25T00:30:00.000Z",
                "2026-10-26T01:30:00.000Z",
            ],
        ),
        (
            "2026-05-01T00:00:00.000Z",
            "0 9 * * Mon-Fri",
            vec!["2026-05-01T07:00:00.000Z"],
        ),
        (
            "2026-10-25T00:00:00.000Z",
            "15 */2 25 10 *",
            vec![
                "2026-10-25T00:15:00.000Z",
                "2026-10-25T01:15:00.000Z",
                "2026-10-25T03:15:00.000Z",
                "2026-10-25T05:15:00.000Z",
                "2026-10-25T07:15:00.000Z",
                "2026-10-25T09:15:00.000Z",
                "2026-10-25T11:15:00.000Z",
                "2026-10-25T13:15:00.000Z",
                "2026-10-25T15:15:00.000Z",
                "2026-10-25T17:15:00.000Z",
                "2026-10-25T19:15:00.000Z",
                "2026-10-25T21:15:00.000Z",
            ],
        ),
    ];
    for (start, expression, expected) in rows {
        let ran = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&ran);
        let handler = async move |run: Arc<Scheduled>| log.lock().unwrap().push(run.due().to_string());
        let schedule = Schedule::cron(expression)
            .unwrap()
            .in_zone("Europe/Berlin")
            .unwrap();
        let clock = WallClock::starting_at(time(start));
        let bot = serve(&clock, Router::new().schedule("job", schedule, handler));
        after(3 * 24 * HOUR - MINUTE).await;
        assert_eq!(*ran.lock().unwrap(), expected, "{expression} from {start}");
        bot.shut_down().await;
    }
}

#[cfg(feature = "cron")]
#[test]
fn what_is_no_schedule_is_refused_with_a_sentence() {
    for (expression, in_it) in [
        ("", "no cron expression"),
        ("* * *", "no cron expression"),
        ("99 * * * *", "no cron expression"),
        ("0 9 * * Mon-Fri 2026 7", "no cron expression"),
        ("0 0 30 2 *", "never comes"),
    ] {
        let error = Schedule::cron(expression).unwrap_err();
        assert_eq!(error.kind(), ScheduleErrorKind::Invalid);
        assert!(error.to_string().contains(in_it), "{expression}: {error}");
    }
    let daily = Schedule::cron("@daily").unwrap();
    assert!(
        daily
            .clone()
            .in_zone("Nowhere/Land")
            .unwrap_err()
            .to_string()
            .contains("Nowhere/Land")
    );
    assert!(Schedule::every(HOUR).in_zone("Europe/Berlin").is_err());
    assert_eq!(
        daily.next_after(Timestamp::from_millis(1)).unwrap().as_millis(),
        24 * 3600 * 1000
    );
}

/// Ends a bot at once, as a kill would: nothing that is on its way is settled.
async fn kill(bot: Driven) {
    bot.kill().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_while_it_was_not_running_is_made_up_for_if_there_is_a_journal() {
    let rows = [
        (Missed::Skip, true, vec![]),
        (Missed::Once, true, vec![10_800]),
        (Missed::All(2), true, vec![7200, 10_800]),
        (Missed::Once, false, vec![]),
    ];
    for (missed, has_journal, expected) in rows {
        let journal = MemoryJournal::new();
        let schedule = || Schedule::every(HOUR).missed(missed);
        let first = Runs::new();
        let clock = WallClock::starting_at(noon());
        let bot = serve_with(&clock, journal.clone(), first.router(schedule(), Duration::ZERO));
        after(HOUR + MINUTE).await;
        assert_eq!(first.dues(), [3600]);
        bot.shut_down().await;

        let second = Runs::new();
        let clock = WallClock::starting_at(noon() + 3 * HOUR + 20 * MINUTE);
        let router = second.router(schedule(), Duration::ZERO);
        let bot = match has_journal {
            true => serve_with(&clock, journal, router),
            false => serve(&clock, router),
        };
        after(MINUTE).await;
        assert_eq!(second.dues(), expected, "{missed:?} {has_journal}");
        // The times go on from the first start, not from the second, where they are remembered.
        after(HOUR).await;
        let next = if has_journal { 14_400 } else { 15_600 };
        assert_eq!(second.dues().last(), Some(&next));
        bot.shut_down().await;
    }
}

#[tokio::test]
async fn a_journal_on_disk_keeps_jobs_and_single_runs() {
    let folder = std::env::temp_dir().join(format!("rocketbotte-schedules-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("journal");
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let router = || {
        let (ticks, onces) = (Arc::clone(&heard), Arc::clone(&heard));
        Router::new()
            .schedule(
                "hourly",
                Schedule::every(HOUR),
                async move |run: Arc<Scheduled>| {
                    ticks.lock().unwrap().push(format!("hourly {}", run.due()));
                },
            )
            .on_schedule("remind", async move |run: Arc<Scheduled>| {
                onces.lock().unwrap().push(run.payload_as::<String>().unwrap());
            })
    };
    let clock = WallClock::starting_at(noon());
    let bot = serve_with(&clock, DiskJournal::open(&path).unwrap(), router());
    let schedules = bot.handle.schedules();
    until(&bot, || schedules.planned("remind").is_empty()).await;
    for (text, hours) in [("tea", 1), ("supper", 9)] {
        let once = Once::after("remind", hours * HOUR)
            .payload(text)
            .unwrap()
            .id(text);
        schedules.once(once).await.unwrap();
    }
    kill(bot).await;
    assert_eq!(heard.lock().unwrap().len(), 0);

    for _ in 0..2 {
        let clock = WallClock::starting_at(noon() + 2 * HOUR + 30 * MINUTE);
        let bot = serve_with(&clock, DiskJournal::open(&path).unwrap(), router());
        until(&bot, || heard.lock().unwrap().len() == 2).await;
        // What is settled is written.
        bot.shut_down().await;
    }
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    assert_eq!(heard.len(), 2, "each ran once");
    assert!(
        heard[0].starts_with("hourly 2026-05-04T14:00:0") && heard[1] == "tea",
        "{heard:?}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn until(bot: &Driven, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() && bot.handle.state() == rocketbotte::transport::ConnectionState::Ready {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_off_runs_again_under_the_same_ids_and_is_given_up_after_three() {
    let journal = MemoryJournal::new();
    let begun = Arc::<Mutex<u32>>::default();
    let ids = Arc::<Mutex<Vec<String>>>::default();
    for start in 0..5 {
        let count = Arc::clone(&begun);
        let hangs = async move |run: Arc<Scheduled>, outbox: rocketbotte::extract::Outbox| {
            *count.lock().unwrap() += 1;
            outbox.send(format!("run of {}", run.due())).await.unwrap();
            std::future::pending::<()>().await;
        };
        let router = Router::new().schedule(
            "job",
            Schedule::every(HOUR),
            route(hangs).named("job").to("GENERAL").no_timeout(),
        );
        // Each start is a little later.
        let clock = WallClock::starting_at(noon() + if start == 0 { Duration::ZERO } else { HOUR + MINUTE });
        let bot = serve_with(&clock, journal.clone(), router);
        after(if start == 0 { HOUR + MINUTE } else { MINUTE }).await;
        ids.lock().unwrap().extend(bot.sent.ids());
        kill(bot).await;
    }
    assert_eq!(*begun.lock().unwrap(), 3, "given up at the third end");
    let ids = ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 3);
    assert!(
        ids.iter().all(|id| *id == ids[0]),
        "one message, however often: {ids:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_single_run_is_planned_replaced_taken_back_and_bounded() {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&heard);
    let router = Router::new().on_schedule("remind", async move |run: Arc<Scheduled>| {
        log.lock().unwrap().push(run.payload_as::<String>().unwrap());
        run.payload_as::<String>().unwrap()
    });
    let bot = serve(&WallClock::starting_at(noon()), router);
    let schedules = bot.handle.schedules();
    let once = |text: &str, minutes: u32| {
        Once::after("remind", minutes * MINUTE)
            .payload(text)
            .unwrap()
            .in_room("GENERAL")
    };
    schedules.once(once("late", 20).id("a")).await.unwrap();
    schedules.once(once("early", 10).id("a")).await.unwrap();
    schedules.once(once("never", 5).id("b")).await.unwrap();
    let random = schedules.once(once("third", 15)).await.unwrap();
    schedules
        .once(Once::at("remind", noon() - HOUR).payload("past").unwrap())
        .await
        .unwrap();
    after_secs(1).await;
    assert_eq!(*heard.lock().unwrap(), ["past"]);
    assert!(schedules.cancel("remind", "b"));
    assert!(!schedules.cancel("remind", "b"));
    let ids: Vec<_> = schedules
        .planned("remind")
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(ids, ["a".to_owned(), random]);
    after(HOUR).await;
    assert_eq!(*heard.lock().unwrap(), ["past", "early", "third"]);
    // "past" was about no room, which is an error of that route and of no other.
    assert_eq!(
        bot.sent.timed(),
        [(600, "early".to_owned()), (900, "third".to_owned())]
    );
    assert_eq!(bot.sent.all()[0].room(), "GENERAL");

    let long = "x".repeat(10_000);
    let error = Once::after("remind", HOUR).payload(&long).unwrap_err();
    assert_eq!(error.kind(), ScheduleErrorKind::TooLong);
    let error = schedules.once(Once::after(&long, HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), ScheduleErrorKind::TooLong);
    for n in 0..10_000 {
        schedules
            .once(Once::after("remind", HOUR).id(n.to_string()))
            .await
            .unwrap();
    }
    let error = schedules.once(Once::after("remind", HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), ScheduleErrorKind::Full);
    bot.shut_down().await;
    let error = schedules.once(Once::after("remind", HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), ScheduleErrorKind::NotRunning);
}

#[tokio::test(start_paused = true)]
async fn a_run_for_which_there_is_no_room_is_tried_again() {
    use rocketbotte::dispatch::Overflow;

    // The room of the run is full; or all rooms together are, so that there is none for a job either.
    for (overflow, in_all) in [
        (Overflow::Park, 1000),
        (Overflow::DropNewest, 1000),
        (Overflow::Busy, 1000),
        (Overflow::Park, 2),
        (Overflow::DropNewest, 2),
    ] {
        let release = Arc::new(tokio::sync::Semaphore::new(0));
        let runs = Runs::new();
        let waits = Arc::clone(&release);
        let router = runs
            .router(Schedule::every(10 * MINUTE), Duration::ZERO)
            .on_message(async move || drop(waits.acquire().await.unwrap()))
            .on_schedule("remind", async |run: Arc<Scheduled>| {
                run.payload_as::<String>().unwrap()
            });
        let clock = WallClock::starting_at(noon());
        let journal = MemoryJournal::new();
        let bot = drive_with(
            Recorder::new(),
            |serve| {
                let serve = serve.wall_clock(clock).journal(journal).hold(24 * HOUR);
                let serve = serve.route_timeout(None).max_waiting(in_all);
                serve.lane_capacity(2, overflow)
            },
            router,
        );
        let schedules = bot.handle.schedules();
        let once = Once::after("remind", 10 * MINUTE).payload("tea").unwrap();
        schedules.once(once.id("tea").in_room("GENERAL")).await.unwrap();
        after_secs(1).await;
        for n in 0..5 {
            bot.deliver(message_in("GENERAL", &n.to_string()));
        }
        after(30 * MINUTE).await;
        assert!(!bot.sent.texts().contains(&"tea".to_owned()), "{overflow:?}");
        let planned = schedules.planned("remind");
        assert_eq!(planned.len(), 1, "{overflow:?} {in_all}");
        release.add_permits(100);
        after_secs(11).await;
        let tea = bot.sent.texts().iter().filter(|text| *text == "tea").count();
        assert_eq!(tea, 1, "{overflow:?} {in_all}");
        assert!(schedules.planned("remind").is_empty());
        if in_all < 1000 {
            assert!(runs.dues().contains(&600), "{overflow:?}: {:?}", runs.dues());
        }
        bot.shut_down().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_planned_while_the_one_of_its_id_runs_comes_behind_it() {
    let journal = MemoryJournal::new();
    let heard = Arc::<Mutex<Vec<(u64, String)>>>::default();
    let begun = Instant::now();
    let router = || {
        let log = Arc::clone(&heard);
        let snooze = async move |run: Arc<Scheduled>, schedules: Schedules| {
            let text: String = run.payload_as().unwrap();
            log.lock()
                .unwrap()
                .push((begun.elapsed().as_secs(), text.clone()));
            let again = |minutes: u32, text: &str| {
                let once = Once::after("remind", minutes * MINUTE).payload(text).unwrap();
                once.id("tea")
            };
            match text.as_str() {
                "first" => {
                    schedules.once(again(60, "replaced")).await.unwrap();
                    schedules.once(again(10, "snoozed")).await.unwrap();
                    // The same is the one that runs.
                    let same = Once::at("remind", run.due().to_system_time().unwrap());
                    let same = same.payload("first").unwrap().id("tea");
                    schedules.once(same).await.unwrap();
                    assert_eq!(schedules.planned("remind").len(), 1);
                }
                "snoozed" => {
                    schedules.once(again(1, "never")).await.unwrap();
                    assert!(schedules.cancel("remind", "tea"));
                    assert!(!schedules.cancel("remind", "tea"));
                    assert!(schedules.planned("remind").is_empty());
                }
                "cut off" => {
                    schedules.once(again(10, "behind")).await.unwrap();
                    if log.lock().unwrap().len() == 3 {
                        std::future::pending::<()>().await;
                    }
                }
                _ => {}
            }
        };
        Router::new().on_schedule("remind", route(snooze).named("snooze").no_timeout())
    };
    let clock = WallClock::starting_at(noon());
    let bot = serve_with(&clock, journal.clone(), router());
    let schedules = bot.handle.schedules();
    let first = |text: &str| {
        let once = Once::after("remind", MINUTE).payload(text).unwrap();
        once.id("tea")
    };
    schedules.once(first("first")).await.unwrap();
    after(HOUR).await;
    let texts = || -> Vec<_> {
        let heard = heard.lock().unwrap();
        heard.iter().map(|(at, text)| (*at, text.clone())).collect()
    };
    assert_eq!(texts(), [(60, "first".to_owned()), (660, "snoozed".to_owned())]);
    // The end of the process loses neither what runs nor what waits behind it.
    schedules.once(first("cut off")).await.unwrap();
    after(2 * MINUTE).await;
    assert_eq!(texts().len(), 3);
    kill(bot).await;
    let clock = WallClock::starting_at(noon() + HOUR + 2 * MINUTE);
    let bot = serve_with(&clock, journal.clone(), router());
    after(30 * MINUTE).await;
    let last: Vec<_> = texts().into_iter().skip(3).map(|(_, text)| text).collect();
    assert_eq!(last, ["cut off", "behind"]);
    bot.shut_down().await;
    let bot = serve_with(&clock, journal, router());
    after(HOUR).await;
    assert_eq!(texts().len(), 5, "all is done");
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_come_and_go_while_the_bot_runs() {
    let runs = Runs::new();
    let log = runs.clone();
    let router = Router::new().on_schedule("job", async move |run: Arc<Scheduled>| {
        log.note(&run, Arrival::Live)
    });
    let bot = serve(&WallClock::starting_at(noon()), router);
    let schedules = bot.handle.schedules();
    after_secs(30).await;
    schedules.add("job", Schedule::every(MINUTE)).unwrap();
    schedules.add("job", Schedule::every(MINUTE)).unwrap();
    let taken = schedules.add("job", Schedule::every(HOUR)).unwrap_err();
    assert_eq!(taken.kind(), ScheduleErrorKind::Taken);
    after_secs(125).await;
    assert_eq!(runs.dues(), [90, 150]);
    assert!(schedules.remove("job"));
    assert!(!schedules.remove("job"));
    after(HOUR).await;
    assert_eq!(runs.dues().len(), 2);
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn no_job_runs_before_the_bot_is_ready_nor_once_it_stops() {
    let runs = Runs::new();
    let router = runs.router(Schedule::every(MINUTE), Duration::ZERO);
    let clock = WallClock::starting_at(noon());
    let bot = TestBot::with(router, |serve| serve.wall_clock(clock));
    // The router is known by then, and `Ready` has not come.
    bot.ask(events::message("hi")).await.is_silent();
    after(5 * MINUTE).await;
    assert!(runs.dues().is_empty());
    bot.deliver(events::ready());
    after(MINUTE + Duration::from_secs(1)).await;
    assert_eq!(runs.dues(), [360]);
    assert!(bot.shutdown().await.is_complete());
    after(HOUR).await;
    assert_eq!(runs.dues(), [360]);
}

#[tokio::test(start_paused = true)]
async fn a_job_passes_the_layers_and_its_deadline() {
    let seen = Arc::<Mutex<Vec<EventKind>>>::default();
    let log = Arc::clone(&seen);
    let count = from_fn(move |request: Request, next: rocketbotte::layer::Next| {
        log.lock().unwrap().push(request.kind());
        async move { next.run(request).await }
    });
    let hangs = async || std::future::pending::<()>().await;
    let router = Router::new().schedule(
        "job",
        Schedule::every(MINUTE).overlap(Overlap::Skip),
        route(hangs).named("hangs").to("GENERAL"),
    );
    let app = ServiceBuilder::new()
        .layer(count)
        .layer(TimeoutLayer::new(Duration::from_secs(10)))
        .service(router);
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let bot = serve(&WallClock::starting_at(noon()), app);
    after_secs(135).await;
    assert_eq!(
        *seen.lock().unwrap(),
        [EventKind::Ready, EventKind::Scheduled, EventKind::Scheduled],
        "the first was given up in time for the second"
    );
    assert!(log.text().contains("on_schedule/job/hangs"), "{}", log.text());
    assert!(
        bot.sent.texts().is_empty(),
        "a job that fails says nothing in the room"
    );
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn text_without_a_room_is_an_error_that_names_the_route() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let router = Router::new().schedule(
        "standup",
        Schedule::every(MINUTE),
        route(async || "Stand-up!").named("call"),
    );
    let bot = serve(&WallClock::starting_at(noon()), router);
    after_secs(61).await;
    assert!(bot.sent.texts().is_empty());
    let log = log.text();
    assert!(
        log.contains("`on_schedule/standup/call` answered a `scheduled` event, which has no room"),
        "{log}"
    );
    bot.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn jitter_begins_later_and_leaves_the_time_as_it_is() {
    let runs = Runs::new();
    let schedule = Schedule::every(10 * MINUTE).jitter(5 * MINUTE);
    let bot = serve(
        &WallClock::starting_at(noon()),
        runs.router(schedule, Duration::ZERO),
    );
    after(100 * MINUTE + 5 * MINUTE).await;
    let all = runs.all();
    assert_eq!(runs.dues(), (1..=10).map(|n| n * 600).collect::<Vec<_>>());
    let delays: Vec<u64> = all
        .iter()
        .map(|(due, at, _)| at - u64::try_from(*due).unwrap())
        .collect();
    assert!(delays.iter().all(|delay| *delay <= 300), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
    bot.shut_down().await;
}

#[test]
fn two_jobs_of_one_name_are_refused() {
    let job = || Router::<()>::new().schedule("job", Schedule::every(HOUR), async || {});
    assert!(
        job()
            .try_schedule("job", Schedule::every(HOUR), async || {})
            .is_err()
    );
    assert!(job().try_merge(job()).is_err());
    assert!(job().try_nest("group", job()).is_err());
    assert!(
        job()
            .try_schedule("", Schedule::every(HOUR), async || {})
            .is_err()
    );
    assert!(
        job()
            .on_schedule("job", async || {})
            .try_merge(Router::new())
            .is_ok()
    );
}

#[tokio::test]
async fn handlers_take_the_jobs_of_their_bot_and_explain_tells_them_apart() {
    let plan = async |schedules: Schedules| {
        schedules.once(Once::after("remind", HOUR).id("x")).await?;
        Ok::<_, BoxError>(format!("{} planned", schedules.planned("remind").len()))
    };
    let router = Router::new()
        .on_message(plan)
        .on_schedule("remind", async || {})
        .on_schedule("other", async || {});
    let mut service = router.clone();
    let request = Request::with_context(events::message("hi"), Context::for_bot(events::bot()));
    let response = service.call(request).await.unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["1 planned"]);
    let why = router
        .explain(&Request::new(events::scheduled("remind")))
        .to_string();
    assert!(why.contains("it hears another job"), "{why}");
    let Event::Scheduled(run) = events::scheduled("remind") else {
        panic!("of that kind");
    };
    assert_eq!(run.job(), "remind");
}
