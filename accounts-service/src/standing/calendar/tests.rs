//! Hard dates in hard places, and every rule against walking the calendar day by day.

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::rule::{DayOfWeek, Every, OnWeekend, Rule};
use super::{Schedule, shifted};

fn rule(every: Every, interval: u16, at: &str) -> Rule {
    let at = at.parse().unwrap();
    Rule { every, interval, weekday: None, day: None, month: None, at, on_weekend: OnWeekend::AsIs }
}

fn schedule(rule: &Rule, zone: &str, starts_on: Date) -> Schedule {
    Schedule::new(rule, TimeZone::get(zone).unwrap(), (starts_on, None)).unwrap()
}

/// The first dates of a schedule, with their instants.
fn dates(schedule: &Schedule, most: usize) -> Vec<(Date, String)> {
    let first = schedule.after(None);
    let all = std::iter::successors(first, |due| schedule.after(Some(due.on)));
    let said = |at: i64| jiff::Timestamp::from_microsecond(at).unwrap().to_string();
    all.take(most).map(|due| (due.on, said(due.at))).collect()
}

fn days(schedule: &Schedule, most: usize) -> Vec<Date> {
    dates(schedule, most).into_iter().map(|(on, _)| on).collect()
}

#[test]
fn a_day_that_a_month_lacks_is_its_last_and_the_next_is_whole_again() {
    let monthly = schedule(&rule(Every::Month, 1, "00:00"), "UTC", date(2027, 12, 31));
    let expected = [
        date(2027, 12, 31),
        date(2028, 1, 31),
        date(2028, 2, 29),
        date(2028, 3, 31),
        date(2028, 4, 30),
        date(2028, 5, 31),
    ];
    assert_eq!(days(&monthly, 6), expected);
    let yearly = schedule(&rule(Every::Year, 1, "00:00"), "UTC", date(2024, 2, 29));
    assert_eq!(
        days(&yearly, 5),
        [2024, 2025, 2026, 2027, 2028].map(|year| date(year, 2, if year % 4 == 0 { 29 } else { 28 }))
    );
    // 1900 was no leap year, 2000 was.
    let century =
        schedule(&Rule { day: Some(31), month: Some(2), ..rule(Every::Year, 100, "00:00") }, "UTC", date(1900, 1, 1));
    assert_eq!(days(&century, 2), [date(1900, 2, 28), date(2000, 2, 29)]);
}

#[test]
fn the_first_date_is_the_first_that_the_rule_meets() {
    let quarterly = Rule { day: Some(10), ..rule(Every::Month, 3, "00:00") };
    assert_eq!(days(&schedule(&quarterly, "UTC", date(2026, 1, 15)), 2), [date(2026, 2, 10), date(2026, 5, 10)]);
    assert_eq!(days(&schedule(&quarterly, "UTC", date(2026, 1, 10)), 2), [date(2026, 1, 10), date(2026, 4, 10)]);
    // A Wednesday, for Mondays.
    let fortnightly = Rule { weekday: Some(DayOfWeek::Monday), ..rule(Every::Week, 2, "00:00") };
    assert_eq!(days(&schedule(&fortnightly, "UTC", date(2026, 11, 25)), 2), [date(2026, 11, 30), date(2026, 12, 14)]);
    let yearly = Rule { day: Some(1), month: Some(3), ..rule(Every::Year, 1, "00:00") };
    assert_eq!(days(&schedule(&yearly, "UTC", date(2026, 3, 2)), 1), [date(2027, 3, 1)]);
    assert_eq!(days(&schedule(&rule(Every::Once, 1, "00:00"), "UTC", date(2026, 3, 2)), 3), [date(2026, 3, 2)]);
}

#[test]
fn hard_places() {
    // Time zone, date, time on its clocks; the instant.
    let table = [
        ("Europe/Madrid", date(2026, 3, 29), "02:30", "2026-03-29T01:30:00Z", "an hour is left out: an hour later"),
        ("Europe/Madrid", date(2026, 10, 25), "02:30", "2026-10-25T00:30:00Z", "shown twice: the first"),
        ("America/New_York", date(2026, 3, 8), "02:00", "2026-03-08T07:00:00Z", "left out from its first minute"),
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03T15:45:00Z", "half an hour is left out"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "01:45", "2026-04-04T14:45:00Z", "half an hour comes twice"),
        ("Pacific/Apia", date(2011, 12, 29), "09:00", "2011-12-29T19:00:00Z", "the last day before the date line"),
        ("Pacific/Apia", date(2011, 12, 30), "09:00", "2011-12-30T19:00:00Z", "a day that Samoa never had"),
        ("Pacific/Apia", date(2011, 12, 31), "09:00", "2011-12-30T19:00:00Z", "the day after it"),
        (
            "Pacific/Chatham",
            date(2026, 9, 27),
            "03:00",
            "2026-09-26T14:15:00Z",
            "three quarters of an hour beside the hour",
        ),
        ("Pacific/Chatham", date(2026, 4, 5), "03:00", "2026-04-04T13:15:00Z", "twice, at three"),
        ("Africa/Cairo", date(2026, 4, 24), "00:00", "2026-04-23T22:00:00Z", "midnight is left out"),
        ("Asia/Kathmandu", date(2026, 1, 1), "00:00", "2025-12-31T18:15:00Z", "a quarter of an hour"),
        ("Pacific/Kiritimati", date(2026, 1, 1), "00:00", "2025-12-31T10:00:00Z", "fourteen hours ahead"),
    ];
    for (zone, on, at, instant, why) in table {
        let once = schedule(&rule(Every::Once, 1, at), zone, on);
        assert_eq!(dates(&once, 2), [(on, instant.to_owned())], "{zone} {on} {at}: {why}");
    }
}

#[test]
fn a_time_of_day_stays_what_the_clocks_show_when_they_are_changed() {
    let daily = schedule(&rule(Every::Day, 1, "09:00"), "Europe/Madrid", date(2026, 10, 24));
    let instants: Vec<_> = dates(&daily, 3).into_iter().map(|(_, at)| at).collect();
    assert_eq!(instants, ["2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]);
}

#[test]
fn a_weekend_moves_a_date_or_takes_it_and_its_name_stays() {
    // 1 August 2026 is a Saturday, 1 November a Sunday.
    let first = |on_weekend| Rule { day: Some(1), on_weekend, ..rule(Every::Month, 3, "00:00") };
    let instants = |on_weekend| dates(&schedule(&first(on_weekend), "UTC", date(2026, 8, 1)), 2);
    let (august, november) = (date(2026, 8, 1), date(2026, 11, 1));
    let at = |text: &str| format!("{text}T00:00:00Z");
    assert_eq!(instants(OnWeekend::Following), [(august, at("2026-08-03")), (november, at("2026-11-02"))]);
    assert_eq!(instants(OnWeekend::Preceding), [(august, at("2026-07-31")), (november, at("2026-10-30"))]);
    assert_eq!(instants(OnWeekend::Skip)[0], (date(2027, 2, 1), at("2027-02-01")));
    let working = Rule { on_weekend: OnWeekend::Skip, ..rule(Every::Day, 1, "00:00") };
    assert_eq!(days(&schedule(&working, "UTC", date(2026, 11, 20)), 2), [date(2026, 11, 20), date(2026, 11, 23)]);
}

#[test]
fn what_is_to_come_is_later_than_now_and_ends_with_the_order() {
    let zone = TimeZone::get("Asia/Tokyo").unwrap();
    let ends = Some(date(2026, 12, 3));
    let daily = Schedule::new(&rule(Every::Day, 1, "09:00"), zone, (date(2026, 12, 1), ends)).unwrap();
    let first = daily.after(None).unwrap();
    assert_eq!(daily.coming(first.at - 1).unwrap(), first);
    assert_eq!(daily.coming(first.at).unwrap().on, date(2026, 12, 2));
    assert_eq!(daily.coming(i64::MAX), None);
    assert_eq!(daily.after(Some(date(2026, 12, 2))).unwrap().on, date(2026, 12, 3));
    assert_eq!(daily.after(ends), None);
    // The calendar's end is an end as well, not an error.
    let late = schedule(&rule(Every::Year, 366, "00:00"), "UTC", date(9998, 12, 31));
    assert_eq!(days(&late, 3), [date(9998, 12, 31)]);
}

#[test]
fn rules_that_cannot_be_meant_are_refused_with_every_fault() {
    let start = date(2026, 11, 21); // a Saturday
    let faults = |rule: Rule, end: Option<Date>| {
        let refused = Schedule::new(&rule, TimeZone::UTC, (start, end)).unwrap_err();
        refused.into_iter().map(|fault| fault.pointer.into_owned()).collect::<Vec<_>>()
    };
    let base = |every| rule(every, 1, "00:00");
    assert_eq!(
        faults(Rule { interval: 0, weekday: Some(DayOfWeek::Monday), ..base(Every::Day) }, None),
        ["/rule/interval", "/rule/weekday"]
    );
    assert_eq!(faults(Rule { interval: 367, ..base(Every::Day) }, None), ["/rule/interval"]);
    assert_eq!(faults(Rule { interval: 2, day: Some(1), ..base(Every::Once) }, None), ["/rule/interval", "/rule/day"]);
    assert_eq!(
        faults(Rule { day: Some(32), month: Some(2), ..base(Every::Month) }, None),
        ["/rule/day", "/rule/month"]
    );
    assert_eq!(faults(Rule { day: Some(0), month: Some(13), ..base(Every::Year) }, None), ["/rule/day", "/rule/month"]);
    assert_eq!(faults(base(Every::Day), Some(date(2026, 11, 20))), ["/ends_on"]);
    for every in [Every::Day, Every::Week, Every::Once] {
        let interval = if every == Every::Day { 7 } else { 1 };
        assert_eq!(faults(Rule { interval, on_weekend: OnWeekend::Skip, ..base(every) }, None), ["/rule/on_weekend"]);
    }
    assert_eq!(faults(Rule { on_weekend: OnWeekend::Following, ..base(Every::Day) }, None), ["/rule/on_weekend"]);
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let weekdays = [Weekday::Monday, Weekday::Wednesday, Weekday::Saturday, Weekday::Sunday].map(DayOfWeek::from);
    let every = prop::sample::select(vec![Every::Day, Every::Week, Every::Month, Every::Year]);
    let on_weekend =
        prop::sample::select(vec![OnWeekend::AsIs, OnWeekend::Following, OnWeekend::Preceding, OnWeekend::Skip]);
    let day = (1..=31_i8, 1..=12_i8, prop::sample::select(weekdays.to_vec()));
    (every, 1..=5_u16, day, on_weekend, 0..24_u8).prop_map(
        |(every, interval, (day, month, weekday), on_weekend, hour)| {
            let dated = matches!(every, Every::Month | Every::Year);
            Rule {
                weekday: (every == Every::Week).then_some(weekday),
                day: dated.then_some(day),
                month: (every == Every::Year).then_some(month),
                on_weekend,
                ..rule(every, interval, &format!("{hour:02}:30"))
            }
        },
    )
}

/// Whether the rule meets the date, by arithmetic on the date alone.
fn meets(rule: &Rule, first: Date, on: Date) -> bool {
    let days = i64::from((on - first).get_days());
    let months =
        (i64::from(on.year()) - i64::from(first.year())) * 12 + i64::from(on.month()) - i64::from(first.month());
    let is_day = rule.day.is_none_or(|day| on.day() == day.min(on.days_in_month()));
    let interval = i64::from(rule.interval);
    match rule.every {
        Every::Once => on == first,
        Every::Day => days % interval == 0,
        Every::Week => days % (7 * interval) == 0,
        Every::Month => is_day && months % interval == 0,
        Every::Year => is_day && months % (12 * interval) == 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_date_is_one_that_walking_day_by_day_meets(
        rule in any_rule(),
        start in (2000..2040_i16, 1..=12_i8, 1..=28_i8),
        zone in prop::sample::select(vec!["UTC", "Europe/Madrid", "Australia/Lord_Howe", "America/Sao_Paulo"]),
    ) {
        let start = date(start.0, start.1, start.2);
        let Ok(schedule) = Schedule::new(&rule, TimeZone::get(zone).unwrap(), (start, None)) else { return Ok(()) };
        let weekday = rule.weekday.map(DayOfWeek::weekday);
        let opens = |on: &Date| {
            weekday.is_none_or(|wanted| on.weekday() == wanted)
                && rule.day.is_none_or(|day| on.day() == day.min(on.days_in_month()))
                && rule.month.is_none_or(|month| on.month() == month)
        };
        let walk = std::iter::successors(Some(start), |on| on.tomorrow().ok()).take(366 * 12);
        let first = walk.clone().find(opens).unwrap();
        let weekend = |on: Date| matches!(on.weekday(), Weekday::Saturday | Weekday::Sunday);
        let met = walk.skip_while(|on| *on < first).filter(|on| meets(&rule, first, *on));
        let met: Vec<_> = met.filter(|on| rule.on_weekend != OnWeekend::Skip || !weekend(*on)).take(20).collect();
        prop_assert_eq!(&days(&schedule, met.len()), &met);

        // In order of time, each to come until it has come, and never more than a weekend away from its date.
        let instants: Vec<_> = met.iter().map(|on| schedule.instant(*on).unwrap()).collect();
        prop_assert!(instants.is_sorted());
        for (on, at) in met.iter().zip(&instants) {
            prop_assert!(schedule.coming(at - 1).unwrap().at <= *at);
            prop_assert!(schedule.coming(*at).is_none_or(|next| next.at > *at));
            let moved = shifted(*on, rule.on_weekend).unwrap();
            prop_assert!((moved - *on).get_days().abs() <= 2);
            prop_assert!(matches!(rule.on_weekend, OnWeekend::AsIs) || !weekend(moved));
        }
    }
}
