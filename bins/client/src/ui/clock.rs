//! The time of day where one sits.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Times in a time zone, as people read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock(TimeZone);

impl Clock {
    /// Of the zone that `TZ` names, or else of the machine's; UTC, if neither is known.
    pub fn system() -> Clock {
        Clock(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// Hours and minutes of a time in milliseconds since the epoch.
    pub fn minutes(&self, time_ms: u64) -> String {
        let time = self.0.to_datetime(Clock::stamp(time_ms));
        format!("{:02}:{:02}", time.hour(), time.minute())
    }

    /// What the zone is called at this time, such as CEST or UTC.
    pub fn zone(&self, time_ms: u64) -> String {
        self.0.to_offset_info(Clock::stamp(time_ms)).abbreviation().to_owned()
    }

    fn stamp(time_ms: u64) -> Timestamp {
        // What no calendar has is shown as its last moment.
        i64::try_from(time_ms)
            .ok()
            .and_then(|time| Timestamp::from_millisecond(time).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock(TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_zone_and_any_number_is_one() {
        let zone = Clock(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        let (winter, summer) = (1_768_478_400_000, 1_784_116_800_000);
        assert_eq!((zone.minutes(winter), zone.zone(winter)), ("13:00".into(), "CET".into()));
        assert_eq!((zone.minutes(summer), zone.zone(summer)), ("14:00".into(), "CEST".into()));
        assert_eq!(Clock::default().minutes(43_200_000), "12:00");
        assert_eq!(zone.minutes(u64::MAX).len(), 5);
    }
}
