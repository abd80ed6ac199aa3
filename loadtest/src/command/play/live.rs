//! Shows how a scenario goes while it plays: bars and current figures on a terminal, a line now and then
//! elsewhere. Everything goes to standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::crowd::people::View;
use crate::load::scenario::{FaultKind, Plan, Scenario};

/// How often a terminal is brought up to date.
const DRAWN_EVERY: Duration = Duration::from_millis(500);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A show that goes on until it is dropped.
pub(in crate::command) struct Live {
    task: Option<JoinHandle<()>>,
    bars: Option<MultiProgress>,
}

impl Live {
    /// Shows a crowd by what is seen of it, unless nothing is to be shown.
    pub(in crate::command) fn show(
        look: impl Fn() -> View + Send + 'static,
        (scenario, plan): (&Scenario, &Plan),
        quiet: bool,
    ) -> Self {
        if quiet {
            return Self {
                task: None,
                bars: None,
            };
        }
        let course = Course {
            look: Box::new(look),
            lasts: plan.lasts(),
            crowd: scenario.crowd(),
            faults: faults(scenario),
        };
        let bars = io::stderr().is_terminal().then(MultiProgress::new);
        let task = match bars.clone() {
            Some(bars) => tokio::spawn(draw(course, bars)),
            None => tokio::spawn(write_lines(course)),
        };
        Self {
            task: Some(task),
            bars,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(bars) = &self.bars {
            // What is drawn over is no loss.
            bars.clear().unwrap_or_default();
        }
    }
}

struct Course {
    look: Box<dyn Fn() -> View + Send>,
    lasts: Duration,
    crowd: u32,
    /// What is to be done, by time.
    faults: Vec<(Duration, String)>,
}

impl Course {
    /// What began since the last call.
    fn struck(&mut self, at: Duration) -> Vec<String> {
        let due = self.faults.partition_point(|(from, _)| *from <= at);
        let struck = self.faults.drain(..due);
        struck
            .map(|(from, name)| format!("{:.0} s: {name}", from.as_secs_f64()))
            .collect()
    }
}

fn faults(scenario: &Scenario) -> Vec<(Duration, String)> {
    let one = |fault: &crate::load::scenario::Fault| {
        let name = match &fault.kind {
            FaultKind::Storm => "storm".to_owned(),
            FaultKind::Server(name) => format!("{name} (gateway {})", fault.gateway),
        };
        (Duration::from_secs_f64(fault.at), name)
    };
    let mut faults: Vec<_> = scenario.faults.iter().map(one).collect();
    faults.sort();
    faults
}

fn people(view: &View) -> String {
    let View {
        connected,
        away,
        open,
        failures,
        ..
    } = view;
    format!("{connected} connected, {away} away, {open} unanswered, {failures:.0} failures/s")
}

fn rates(view: &View) -> String {
    let View {
        messages,
        acks,
        deliveries,
        ..
    } = view;
    let times = view.delivery.figures();
    let times = times.map_or_else(String::new, |(_, [p50, p99, _])| {
        format!(", p50 {p50:.0} ms, p99 {p99:.0} ms")
    });
    format!("{messages:.0} messages/s, {acks:.0} acked/s, {deliveries:.0} deliveries/s{times}")
}

async fn write_lines(mut course: Course) {
    let mut ticks = interval(LINE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let view = (course.look)();
        let mut lines = course.struck(view.at);
        let second = view.at.as_secs_f64();
        let (people, rates) = (people(&view), rates(&view));
        lines.push(format!("{second:4.0} s  {}: {people}; {rates}", view.phase));
        // Nobody may be reading.
        writeln!(io::stderr(), "{}", lines.join("\n")).unwrap_or_default();
    }
}

async fn draw(mut course: Course, bars: MultiProgress) {
    let bar = |length: u64, template: &str| {
        let style = ProgressStyle::with_template(template);
        let bar = bars.add(ProgressBar::new(length));
        // The templates below are read by a test.
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    };
    let time = bar(course.lasts.as_secs(), TIME);
    let connected = bar(course.crowd.into(), PEOPLE);
    let traffic = bar(0, LINE);
    let mut ticks = interval(DRAWN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let view = (course.look)();
        for fault in course.struck(view.at) {
            time.println(fault);
        }
        time.set_position(view.at.as_secs().min(course.lasts.as_secs()));
        time.set_message(view.phase.clone());
        connected.set_position(u64::try_from(view.connected).unwrap_or_default());
        connected.set_message(people(&view));
        traffic.set_message(rates(&view));
    }
}

const TIME: &str = "time    {wide_bar} {pos:>5}/{len} s  {msg}";
const PEOPLE: &str = "people  {wide_bar} {pos:>5}/{len}  {msg}";
const LINE: &str = "        {msg}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::stats::Coarse;

    #[test]
    fn the_bars_can_be_drawn() {
        for template in [TIME, PEOPLE, LINE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_view_is_told_in_words() {
        let mut delivery = Coarse::default();
        for ms in [9, 9, 40] {
            delivery.record(Duration::from_millis(ms));
        }
        let view = View {
            connected: 60,
            away: 2,
            messages: 41.4,
            deliveries: 612.0,
            delivery,
            ..View::default()
        };
        assert!(people(&view).starts_with("60 connected, 2 away"));
        let told = "41 messages/s, 0 acked/s, 612 deliveries/s, p50 9 ms, p99 40 ms";
        assert_eq!(rates(&view), told);
    }
}
