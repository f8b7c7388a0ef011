//! The next time of random expressions, beside a model that looks at every minute.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use lambent_cron::{Expression, Zone};
use proptest::prelude::*;

/// A field as a person means it.
#[derive(Clone, Debug)]
enum Part {
    All,
    One(i16),
    Range(i16, i16),
    From(i16, i16),
    Every(i16),
}

impl Part {
    fn text(&self) -> String {
        match self {
            Part::All => "*".into(),
            Part::One(value) => value.to_string(),
            Part::Range(first, last) => format!("{first}-{last}"),
            Part::From(first, step) => format!("{first}/{step}"),
            Part::Every(step) => format!("*/{step}"),
        }
    }

    fn has(&self, value: i16, min: i16) -> bool {
        match *self {
            Part::All => true,
            Part::One(one) => value == one,
            Part::Range(first, last) => first <= value && value <= last,
            Part::From(first, step) => value >= first && (value - first) % step == 0,
            Part::Every(step) => (value - min) % step == 0,
        }
    }
}

#[derive(Clone, Debug)]
enum Day {
    Month(Vec<Part>),
    Week(Vec<Part>),
    Last,
    Nearest(i8),
    LastWeekday,
    LastOf(i16),
    Nth(i16, i8),
}

#[derive(Clone, Debug)]
struct Meant {
    minutes: Vec<Part>,
    hours: Vec<Part>,
    day: Day,
    months: Vec<Part>,
    years: Vec<Part>,
}

fn list(parts: &[Part]) -> String {
    parts.iter().map(Part::text).collect::<Vec<_>>().join(",")
}

fn any(parts: &[Part], value: i16, min: i16) -> bool {
    parts.iter().any(|part| part.has(value, min))
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The weekday of the month with the smallest distance; of two, the one before.
fn nearest(first: Date, wanted: i8) -> Option<Date> {
    let days = (1..=first.days_in_month()).map(|day| first.with().day(day).build().unwrap());
    if wanted > first.days_in_month() {
        return None;
    }
    days.filter(|day| is_weekday(*day)).min_by_key(|day| ((day.day() - wanted).abs(), day.day()))
}

impl Meant {
    fn text(&self) -> String {
        let (month_day, week_day) = match &self.day {
            Day::Month(parts) => (list(parts), "?".into()),
            Day::Week(parts) => ("?".into(), list(parts)),
            Day::Last => ("L".into(), "?".into()),
            Day::Nearest(day) => (format!("{day}W"), "?".into()),
            Day::LastWeekday => ("LW".into(), "?".into()),
            Day::LastOf(day) => ("?".into(), format!("{day}L")),
            Day::Nth(day, nth) => ("?".into(), format!("{day}#{nth}")),
        };
        let (minutes, hours) = (list(&self.minutes), list(&self.hours));
        let (months, years) = (list(&self.months), list(&self.years));
        format!("cron({minutes} {hours} {month_day} {months} {week_day} {years})")
    }

    fn has_day(&self, date: Date) -> bool {
        let of_week = i16::from(date.weekday().to_sunday_one_offset());
        let next_week = date.checked_add(7.days()).unwrap();
        match &self.day {
            Day::Month(parts) => any(parts, date.day().into(), 1),
            Day::Week(parts) => any(parts, of_week, 1),
            Day::Last => date.tomorrow().unwrap().day() == 1,
            Day::Nearest(day) => nearest(date.first_of_month(), *day) == Some(date),
            Day::LastWeekday => {
                let mut last = date.last_of_month();
                while !is_weekday(last) {
                    last = last.yesterday().unwrap();
                }
                last == date
            }
            Day::LastOf(day) => of_week == *day && next_week.month() != date.month(),
            Day::Nth(day, nth) => {
                let before = (1..date.day()).map(|day| date.with().day(day).build().unwrap());
                let earlier = before.filter(|other| other.weekday() == date.weekday()).count();
                of_week == *day && earlier + 1 == usize::try_from(*nth).unwrap()
            }
        }
    }

    fn has(&self, at: DateTime) -> bool {
        any(&self.minutes, at.minute().into(), 0)
            && any(&self.hours, at.hour().into(), 0)
            && any(&self.months, at.month().into(), 1)
            && any(&self.years, at.year(), 1970)
            && self.has_day(at.date())
    }
}

fn parts(min: i16, max: i16, steps: bool) -> BoxedStrategy<Vec<Part>> {
    let range = (min..=max).prop_flat_map(move |first| (Just(first), first..=max));
    let simple = prop_oneof![
        2 => Just(Part::All),
        3 => (min..=max).prop_map(Part::One),
        2 => range.prop_map(|(first, last)| Part::Range(first, last)),
    ];
    let part = if steps {
        let step = 1..=(max - min + 1).min(20);
        prop_oneof![
            4 => simple,
            1 => (min..=max, step.clone()).prop_map(|(first, step)| Part::From(first, step)),
            1 => step.prop_map(Part::Every),
        ]
        .boxed()
    } else {
        simple.boxed()
    };
    proptest::collection::vec(part, 1..3).boxed()
}

fn meant() -> impl Strategy<Value = Meant> {
    let day = prop_oneof![
        parts(1, 31, true).prop_map(Day::Month),
        parts(1, 7, false).prop_map(Day::Week),
        Just(Day::Last),
        Just(Day::LastWeekday),
        (1_i8..=31).prop_map(Day::Nearest),
        (1_i16..=7).prop_map(Day::LastOf),
        ((1_i16..=7), (1_i8..=5)).prop_map(|(day, nth)| Day::Nth(day, nth)),
    ];
    let years = prop_oneof![3 => Just(vec![Part::All]), 1 => parts(2024, 2030, true)];
    (parts(0, 59, true), parts(0, 23, true), day, parts(1, 12, true), years)
        .prop_map(|(minutes, hours, day, months, years)| Meant { minutes, hours, day, months, years })
}

/// Every minute of the zone's clock for a while; what daylight saving repeats counts once.
fn first_by_looking(meant: &Meant, after_ms: i64, zone: &TimeZone, minutes: i64) -> Option<i64> {
    let begin = after_ms.div_euclid(60_000) + 1;
    (begin..begin + minutes).map(|minute| minute * 60_000).find(|at_ms| {
        let instant = jiff::Timestamp::from_millisecond(*at_ms).unwrap();
        let local = zone.to_datetime(instant);
        let earliest = zone.to_ambiguous_timestamp(local).earlier().unwrap();
        earliest == instant && meant.has(local)
    })
}

const ZONES: [&str; 5] =
    ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"];
/// Of the model's patience, in minutes: a little more than a month.
const MINUTES: i64 = 33 * 24 * 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_next_time_is_the_first_minute_that_the_calendar_has(
        meant in meant(),
        // 2024 to 2028.
        after_ms in 1_704_067_200_000_i64..1_830_297_600_000,
        zone in proptest::sample::select(&ZONES[..]),
    ) {
        let text = meant.text();
        let cron = Expression::of_rule(&text).unwrap();
        let model = TimeZone::get(zone).or_else(|_| jiff::tz::TimeZoneDatabase::bundled().get(zone)).unwrap();
        let found = cron.next_ms(after_ms.unsigned_abs(), 0, &Zone::find(zone).unwrap());
        let looked = first_by_looking(&meant, after_ms, &model, MINUTES);
        let end = (after_ms.div_euclid(60_000) + MINUTES) * 60_000;
        let within = found.filter(|at_ms| *at_ms <= end.unsigned_abs());
        prop_assert_eq!(within, looked.map(i64::unsigned_abs), "{}", text);
        if let Some(found) = found {
            let local = model.to_datetime(jiff::Timestamp::from_millisecond(i64::try_from(found).unwrap()).unwrap());
            prop_assert!(meant.has(local), "{text}: {local}");
        }
    }

    #[test]
    fn no_text_breaks_it(text in "(cron|rate|at)?\\(?[ 0-9A-Z*?/,#LW-]{0,24}\\)?") {
        if let Ok(expression) = Expression::of_schedule(&text) {
            let next = expression.next_ms(1_704_067_200_000, 1_704_067_200_000, &Zone::utc());
            prop_assert!(next.is_none_or(|at_ms| at_ms > 1_704_067_200_000));
        }
    }
}
