//! Draws one chart of a timeline as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::model::Unit;
use super::timeline::{Curve, Timeline};

/// Of a picture, in pixels.
const SIZE: (u32, u32) = (960, 240);
/// Distinct also for those who see few colours, and in print.
const COLORS: [RGBColor; 4] = [
    RGBColor(0, 90, 160),
    RGBColor(214, 96, 0),
    RGBColor(40, 130, 70),
    RGBColor(120, 70, 150),
];
const FAULT: RGBColor = RGBColor(200, 30, 30);
const GREY: RGBColor = RGBColor(110, 110, 110);
/// Faults are drawn at least so wide, in parts of the picture.
const FAULT_MIN: f64 = 0.004;
/// The smallest latency that is told from nothing, as a power of ten of a millisecond.
const LEAST: f64 = -1.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// The SVG of a chart; none if it could not be drawn.
pub(super) fn svg(timeline: &Timeline, chart: &str) -> Option<String> {
    let curves = timeline.curves.iter().filter(|curve| curve.chart == chart);
    let curves: Vec<&Curve> = curves.collect();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area, timeline, &curves).ok()?;
        area.present().ok()?;
    }
    Some(svg)
}

/// Latencies differ by powers of ten, everything else by some times.
fn is_logarithmic(curve: &Curve) -> bool {
    curve.unit == Unit::Millis
}

fn height(curve: &Curve, value: f64) -> f64 {
    if is_logarithmic(curve) {
        return value.log10().max(LEAST);
    }
    value
}

/// What stands at a height.
fn value_at(height: f64, logarithmic: bool) -> f64 {
    if logarithmic {
        return 10_f64.powf(height);
    }
    height
}

/// The last label below a chart stands half beside it.
const LABEL_HALF: i32 = 48;

fn draw<'a>(area: &Area<'a>, timeline: &Timeline, curves: &[&Curve]) -> Result<(), Failure<'a>> {
    let logarithmic = curves.iter().any(|curve| is_logarithmic(curve));
    let heights = curves.iter().flat_map(|curve| {
        let points = curve.points.iter();
        points.map(|(_, value)| height(curve, *value))
    });
    let bottom = if logarithmic { LEAST } else { 0.0 };
    let top = heights.fold(bottom, f64::max);
    let top = top + (top - bottom).max(0.1) * 0.1;
    let end = timeline.end().max(1.0);
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(LABEL_HALF)
        .x_label_area_size(26)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, bottom..top)?;
    let unit = curves.first().map_or("", |curve| curve.unit.symbol());
    let label = |height: &f64| {
        let value = value_at(*height, logarithmic);
        let digits = usize::from(value < 10.0);
        format!("{value:.digits$} {unit}")
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GREY.mix(0.2))
        .y_label_formatter(&label)
        .y_labels(6)
        .x_label_formatter(&|at| format!("{at:.0} {}", timeline.over.symbol()))
        .draw()?;
    for phase in timeline.phases.iter().skip(1) {
        let line = vec![(phase.from, bottom), (phase.from, top)];
        chart.draw_series(LineSeries::new(line, GREY.mix(0.6)))?;
    }
    for fault in &timeline.faults {
        let to = fault.to.max(fault.from + end * FAULT_MIN);
        let corners = [(fault.from, bottom), (to, top)];
        let area = Rectangle::new(corners, FAULT.mix(0.15).filled());
        chart.draw_series(std::iter::once(area))?;
    }
    for (curve, color) in curves.iter().zip(COLORS) {
        let points = curve.points.iter();
        let points = points.map(|(at, value)| (*at, height(curve, *value)));
        let line = LineSeries::new(points, color.stroke_width(2));
        chart
            .draw_series(line)?
            .label(curve.key.as_ref())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    if curves.len() < 2 {
        return Ok(());
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY.mix(0.4))
        .draw()
}
