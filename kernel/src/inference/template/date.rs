//! Dates as templates write them, in UTC, from a number of seconds that the caller gives: the same request renders the same text.

use minijinja::{Error, ErrorKind};

const DAY_S: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The years 1 to 9999, as Python has them.
const SECONDS: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

struct Moment {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    day_of_year: i64,
    second_of_day: i64,
}

impl Moment {
    fn of(now_s: i64) -> Self {
        let (days, second_of_day) = (now_s.div_euclid(DAY_S), now_s.rem_euclid(DAY_S));
        let (mut year, mut rest) = (1970 + days.div_euclid(366), 0);
        // The year is at most a few off by the longest years; a step each corrects it.
        while days_before(year + 1) <= days {
            year += 1;
        }
        rest += days - days_before(year);
        let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let (mut month, mut day) = (0, rest);
        while day >= lengths[month] {
            day -= lengths[month];
            month += 1;
        }
        // 1 January 1970 was a Thursday.
        let weekday = (days + 3).rem_euclid(7) as usize;
        Self { year, month, day: day + 1, weekday, day_of_year: rest + 1, second_of_day }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970 to the beginning of a year.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    365 * (year - 1970) + (before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400)) - 477
}

/// `strftime` of Python for the directives that do not depend on the language of the machine.
pub(super) fn written(now_s: i64, form: &str) -> Result<String, Error> {
    if !SECONDS.contains(&now_s) {
        return Err(Error::new(ErrorKind::InvalidOperation, "the time lies outside the years 1 to 9999"));
    }
    let moment = Moment::of(now_s);
    let mut text = String::new();
    let mut characters = form.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let directive = characters.next();
        let (bare, directive) = if directive == Some('-') { (true, characters.next()) } else { (false, directive) };
        let written = directive.and_then(|directive| moment.part(directive));
        let written = written.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("strftime_now does not know {form:?}")))?;
        text += if bare && written.len() > 1 { written.trim_start_matches('0') } else { &written };
        if bare && written.len() > 1 && written.bytes().all(|byte| byte == b'0') {
            text.push('0');
        }
    }
    Ok(text)
}

impl Moment {
    fn part(&self, directive: char) -> Option<String> {
        let (hour, minute, second) = (self.second_of_day / 3600, self.second_of_day / 60 % 60, self.second_of_day % 60);
        let two = |number: i64| format!("{number:02}");
        Some(match directive {
            'Y' => format!("{:04}", self.year),
            'y' => two(self.year % 100),
            'm' => two(self.month as i64 + 1),
            'B' => MONTHS[self.month].to_owned(),
            'b' | 'h' => MONTHS[self.month][..3].to_owned(),
            'd' => two(self.day),
            'e' => format!("{:2}", self.day),
            'j' => format!("{:03}", self.day_of_year),
            'A' => WEEKDAYS[self.weekday].to_owned(),
            'a' => WEEKDAYS[self.weekday][..3].to_owned(),
            'H' => two(hour),
            'I' => two((hour + 11) % 12 + 1),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'M' => two(minute),
            'S' => two(second),
            'F' => format!("{:04}-{:02}-{:02}", self.year, self.month + 1, self.day),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}
