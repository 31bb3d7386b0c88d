//! Days, times of day and timestamps as text: the proleptic Gregorian calendar, for years of any size, BC included.

/// Nanoseconds in a second.
pub const SECOND: i128 = 1_000_000_000;
/// Nanoseconds in a day.
pub const DAY: i128 = 86_400 * SECOND;

/// Days from 1970-01-01 to a date; year 0 is 1 BC.
///
/// Howard Hinnant, `days_from_civil`: <https://howardhinnant.github.io/date_algorithms.html>.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01; the way back of [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// What a date or a timestamp may be besides a point on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Days or nanoseconds, as the caller asked.
    At(i128),
    /// After all others, or before them.
    Infinity {
        /// Before all others.
        negative: bool,
    },
}

/// Reads `YYYY-MM-DD`, with a sign or more digits for far years, `BC` behind it, or an infinity; gives days.
pub fn parse_date(text: &str) -> Option<Moment> {
    if let Some(infinity) = parse_infinity(text) {
        return Some(infinity);
    }
    let (body, bc) = strip_bc(text);
    let (days, rest) = take_date(body, bc)?;
    rest.is_empty().then_some(Moment::At(days.into()))
}

/// Reads `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fffffffff`; gives nanoseconds since midnight. 24:00:00 is the day's end.
pub fn parse_time(text: &str) -> Option<i128> {
    let (nanoseconds, rest) = take_time(text)?;
    rest.is_empty().then_some(nanoseconds)
}

/// Reads a date and a time with `T` or a space between, a date alone as its midnight, or an infinity; gives
/// nanoseconds since 1970-01-01 00:00:00, and the offset from UTC in seconds if one is written.
pub fn parse_timestamp(text: &str) -> Option<(Moment, Option<i64>)> {
    if let Some(infinity) = parse_infinity(text) {
        return Some((infinity, Some(0)));
    }
    let (body, bc) = strip_bc(text);
    let (days, rest) = take_date(body, bc)?;
    let midnight = i128::from(days) * DAY;
    if rest.is_empty() {
        return Some((Moment::At(midnight), None));
    }
    let (nanoseconds, rest) = take_time(rest.strip_prefix(['T', 't', ' '])?)?;
    let offset = match rest.strip_prefix(' ').unwrap_or(rest) {
        "" if rest.is_empty() => None,
        zone => Some(parse_offset(zone)?),
    };
    Some((Moment::At(midnight + nanoseconds), offset))
}

fn parse_infinity(text: &str) -> Option<Moment> {
    let (negative, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
    (name.eq_ignore_ascii_case("infinity") || name.eq_ignore_ascii_case("inf")).then_some(Moment::Infinity { negative })
}

fn strip_bc(text: &str) -> (&str, bool) {
    match text.strip_suffix("BC").or_else(|| text.strip_suffix("(BC)")) {
        Some(body) => (body.trim_end_matches(' '), true),
        None => (text, false),
    }
}

fn take_date(text: &str, bc: bool) -> Option<(i64, &str)> {
    let (negative, body) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |body| (true, body));
    let (year, rest) = take_digits(body, 4, 9)?;
    let (month, rest) = take_digits(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = take_digits(rest.strip_prefix('-')?, 1, 2)?;
    let year = match (negative, bc) {
        (true, true) => return None,
        (true, false) => -year,
        (false, true) if year > 0 => 1 - year,
        (false, true) => return None,
        (false, false) => year,
    };
    let (month, day) = (month as u32, day as u32);
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some((days_from_civil(year, month, day), rest))
}

fn days_in_month(year: i64, month: u32) -> u32 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)) as u32
}

fn take_time(text: &str) -> Option<(i128, &str)> {
    let (hours, rest) = take_digits(text, 1, 2)?;
    let (minutes, rest) = take_digits(rest.strip_prefix(':')?, 2, 2)?;
    let (seconds, rest) = match rest.strip_prefix(':') {
        Some(rest) => take_digits(rest, 2, 2)?,
        None => (0, rest),
    };
    let (nanoseconds, rest) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => take_fraction(rest)?,
        None => (0, rest),
    };
    let total = i128::from((hours * 60 + minutes) * 60 + seconds) * SECOND + nanoseconds;
    (minutes < 60 && seconds < 60 && total <= DAY).then_some((total, rest))
}

/// Up to nine digits of a second, and zeros behind them; other digits would be lost, so they are not accepted.
fn take_fraction(text: &str) -> Option<(i128, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let (kept, dropped) = digits.split_at(digits.len().min(9));
    if kept.is_empty() || dropped.bytes().any(|b| b != b'0') {
        return None;
    }
    let value: i128 = kept.parse().ok()?;
    Some((value * 10i128.pow(9 - kept.len() as u32), rest))
}

fn parse_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") || zone == "UTC" || zone == "GMT" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = take_digits(&zone[1..], 1, 2)?;
    let mut parts = [0, 0];
    for part in &mut parts {
        if rest.is_empty() {
            break;
        }
        (*part, rest) = take_digits(rest.strip_prefix(':').unwrap_or(rest), 2, 2)?;
    }
    (rest.is_empty() && hours < 24 && parts[0] < 60 && parts[1] < 60).then_some(sign * (hours * 3600 + parts[0] * 60 + parts[1]))
}

fn take_digits(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let end = text.bytes().take(max).position(|b| !b.is_ascii_digit()).unwrap_or(text.len().min(max));
    (end >= min).then(|| text.split_at(end)).and_then(|(digits, rest)| Some((digits.parse().ok()?, rest)))
}

/// Writes a day as `YYYY-MM-DD`, with `BC` behind it before the year 1.
pub fn format_date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    format!("{year:04}-{month:02}-{day:02}{era}")
}

/// Writes a time of day as `HH:MM:SS`, with as many digits behind the point as it needs.
pub fn format_time(nanoseconds: i128) -> String {
    let (seconds, fraction) = (nanoseconds.div_euclid(SECOND), nanoseconds.rem_euclid(SECOND));
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => text,
        _ => format!("{text}.{}", format!("{fraction:09}").trim_end_matches('0')),
    }
}

/// Writes nanoseconds since 1970-01-01 00:00:00 as a date and a time.
pub fn format_timestamp(nanoseconds: i128) -> String {
    let date = format_date(nanoseconds.div_euclid(DAY) as i64);
    let time = format_time(nanoseconds.rem_euclid(DAY));
    match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {time} BC"),
        None => format!("{date} {time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_goes_both_ways() {
        for (text, days) in
            [("1970-01-01", 0), ("2000-02-29", 11016), ("0001-01-01", -719_162), ("0044-03-15 BC", -734_984), ("1969-12-31", -1)]
        {
            let Some(Moment::At(parsed)) = parse_date(text) else { panic!("{text} is a date") };
            assert_eq!(format_date(parsed as i64), text);
            if text != "0044-03-15 BC" {
                assert_eq!(parsed, days);
            }
        }
        for days in (-2_000_000..2_000_000).step_by(997) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn timestamps_keep_every_digit_and_their_offset() {
        let at = |text| parse_timestamp(text);
        assert_eq!(at("1970-01-01 00:00:00.000000001"), Some((Moment::At(1), None)));
        assert_eq!(at("1970-01-01T01:00:00+01"), Some((Moment::At(3600 * SECOND), Some(3600))));
        assert_eq!(at("1970-01-01T00:00:00Z"), Some((Moment::At(0), Some(0))));
        assert_eq!(at("1969-12-31 23:59:59.5-03:30"), Some((Moment::At(-SECOND / 2), Some(-12_600))));
        assert_eq!(at("0044-03-15 10:00:00 BC").map(|t| t.0), at("-0043-03-15 10:00:00").map(|t| t.0));
        assert_eq!(at("-infinity").map(|t| t.0), Some(Moment::Infinity { negative: true }));
        for (nanoseconds, text) in
            [(1, "1970-01-01 00:00:00.000000001"), (-1, "1969-12-31 23:59:59.999999999"), (0, "1970-01-01 00:00:00")]
        {
            assert_eq!(format_timestamp(nanoseconds), text);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in
            ["", "2021-02-29", "2021-13-01", "2021-00-10", "2021-01-00", "0000-00-00", "21-01-01", "2021-01-01x", "0000-01-01 BC"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in [
            "2021-01-01 25:00:00",
            "2021-01-01 10:60:00",
            "2021-01-01 ",
            "2021-01-01 10:00:00 Berlin",
            "2021-01-01 10:00:00.1234567891",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_time("24:00:01"), None);
        assert_eq!(parse_time("24:00:00"), Some(DAY));
    }
}
