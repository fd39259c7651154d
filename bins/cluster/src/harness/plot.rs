//! A soak as a picture: the resident set of each replica over the messages applied.

use super::soak::{Sample, SoakReport};
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 55.0;
const MIB: f64 = 1024.0 * 1024.0;
/// Told apart by people who don't see all colours, too.
const COLOURS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];

/// Draws the samples as SVG.
pub fn draw(report: &SoakReport, title: &str) -> String {
    let samples = &report.samples;
    let messages = samples.iter().map(|s| s.messages).max().unwrap_or(0).max(1) as f64;
    let rss = samples.iter().flat_map(|s| s.rss_bytes.iter().flatten()).max().copied().unwrap_or(0);
    let scales = Scales::to(messages / 1e6, rss as f64 / MIB);
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' \
         viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' font-size='12' fill='#1b2733'>\n\
         <rect width='{WIDTH}' height='{HEIGHT}' fill='#fbfbf8'/>\n\
         <text x='{LEFT}' y='22' font-size='15' font-weight='bold'>{title}</text>\n"
    );
    scales.draw(&mut svg);
    let replicas = samples.first().map_or(0, |sample| sample.rss_bytes.len());
    for id in 0..replicas {
        let path = scales.path(samples, id);
        let colour = COLOURS[id % COLOURS.len()];
        let at = LEFT + 420.0 + 110.0 * id as f64;
        let _ = writeln!(
            svg,
            "<path d='{path}' fill='none' stroke='{colour}' stroke-width='1.8'/>\
             <rect x='{at}' y='13' width='12' height='12' fill='{colour}'/>\
             <text x='{}' y='23'>replica {id}</text>",
            at + 17.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where a point is in the picture.
struct Scales {
    x_max: f64,
    x_step: f64,
    y_max: f64,
    y_step: f64,
}

impl Scales {
    /// Scales to so many millions of messages, and so many MiB.
    fn to(millions: f64, mib: f64) -> Scales {
        let (x_step, y_step) = (step(millions), step(mib));
        let x_max = (millions / x_step).ceil() * x_step;
        let y_max = (mib / y_step).ceil().max(1.0) * y_step;
        Scales { x_max, x_step, y_max, y_step }
    }

    fn x(&self, millions: f64) -> f64 {
        LEFT + millions / self.x_max * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, mib: f64) -> f64 {
        HEIGHT - BOTTOM - mib / self.y_max * (HEIGHT - TOP - BOTTOM)
    }

    /// Draws the axes, with their ticks and names.
    fn draw(&self, svg: &mut String) {
        // A string takes what is written.
        for tick in ticks(self.x_max, self.x_step) {
            let (at, bottom) = (self.x(tick), HEIGHT - BOTTOM);
            let _ = writeln!(
                svg,
                "<line x1='{at:.1}' y1='{TOP}' x2='{at:.1}' y2='{bottom}' stroke='#e3e3dc'/>\
                 <text x='{at:.1}' y='{}' text-anchor='middle'>{}</text>",
                bottom + 17.0,
                label(tick)
            );
        }
        for tick in ticks(self.y_max, self.y_step) {
            let (at, right) = (self.y(tick), WIDTH - RIGHT);
            let _ = writeln!(
                svg,
                "<line x1='{LEFT}' y1='{at:.1}' x2='{right}' y2='{at:.1}' stroke='#e3e3dc'/>\
                 <text x='{}' y='{:.1}' text-anchor='end'>{}</text>",
                LEFT - 8.0,
                at + 4.0,
                label(tick)
            );
        }
        let _ = writeln!(
            svg,
            "<text x='{}' y='{}' text-anchor='middle'>messages applied, millions</text>\
             <text x='16' y='{}' text-anchor='middle' transform='rotate(-90 16 {})'>resident set, MiB</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 14.0,
            HEIGHT / 2.0,
            HEIGHT / 2.0
        );
    }

    /// The line of a replica, with a gap where it was down.
    fn path(&self, samples: &[Sample], replica: usize) -> String {
        let mut path = String::new();
        let mut is_down = true;
        for sample in samples {
            let Some(rss) = sample.rss_bytes[replica] else {
                is_down = true;
                continue;
            };
            let command = if std::mem::take(&mut is_down) { 'M' } else { 'L' };
            let (x, y) = (self.x(sample.messages as f64 / 1e6), self.y(rss as f64 / MIB));
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        }
        path
    }
}

/// A round distance between ticks, so that there are four to ten of them.
fn step(max: f64) -> f64 {
    let power = 10f64.powf((max.max(1e-9) / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| max / step <= 10.0).unwrap_or(10.0 * power)
}

fn ticks(max: f64, step: f64) -> impl Iterator<Item = f64> {
    let count = (max / step).round() as u32;
    (0..=count).map(move |tick| f64::from(tick) * step)
}

fn label(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_down_leaves_a_gap() {
        let sample = |messages, second: Option<u64>| Sample {
            seconds: 0.0,
            messages,
            rss_bytes: vec![Some(10 << 20), second],
            log_lines: vec![Some(messages), second],
        };
        let report = SoakReport {
            ok: true,
            acknowledged: 0,
            ops_per_s: 0.0,
            seconds: 0.0,
            slots: 0,
            samples: vec![
                sample(0, Some(1 << 20)),
                sample(1000, None),
                sample(2000, Some(1 << 20)),
            ],
            catch_up: None,
            restart_seconds: Vec::new(),
            validated: None,
        };
        let svg = draw(&report, "soak");
        let paths: Vec<&str> = svg.split("<path d='").skip(1).collect();
        assert_eq!(paths.len(), 2);
        assert_eq!(paths[0].split('\'').next().unwrap().matches('M').count(), 1);
        assert_eq!(paths[1].split('\'').next().unwrap().matches('M').count(), 2);
    }

    #[test]
    fn ticks_are_round_and_few() {
        for max in [0.3, 1.0, 2.016, 10.4, 37.0, 480.0] {
            let step = step(max);
            assert!((3.0..=10.0).contains(&(max / step)), "{max}: {step}");
        }
        assert_eq!(ticks(2.0, 0.5).map(label).collect::<Vec<_>>(), ["0", "0.5", "1", "1.5", "2"]);
    }
}
