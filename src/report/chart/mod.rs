//! Charts as SVG text: lines over steps, and a map of rules by steps. Lines differ by dash, cells by lightness, so that
//! they can be told apart in grey; text and axes take the colour of the page.

mod graph;

pub use graph::{Node, Spot, graph};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::timeline::{Cell, Point};

/// Width and height of a chart of lines, in SVG units.
const LINES: (u32, u32) = (760, 260);
/// Width of a map.
const MAP_WIDTH: u32 = 760;
/// Height of a row of a map.
const ROW: u32 = 14;
/// Room for the names of rows.
const NAMES: u32 = 40;
/// Room for the axis below.
const AXIS: u32 = 30;

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Where it goes; points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Whether a line could be drawn: two points that are finite.
fn drawable(line: &Line<'_>) -> bool {
    line.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).count() > 1
}

/// A chart of lines over steps. None when there is no line to draw.
#[must_use]
pub fn lines(x_title: &str, y_title: &str, lines: &[Line<'_>]) -> Option<String> {
    let drawn: Vec<&Line<'_>> = lines.iter().filter(|line| drawable(line)).collect();
    let points =
        || drawn.iter().flat_map(|line| &line.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = points()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let pad = if high > low { 0.0 } else { high.abs().max(1.0) * 0.05 };
        (low - pad)..(high + pad)
    };
    if drawn.is_empty() {
        return None;
    }
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, LINES).into_drawing_area();
        draw_lines(&root, (x_title, y_title), range(|point| point.0), range(|point| point.1), &drawn).ok()?;
        root.present().ok()?;
    }
    Some(svg)
}

fn draw_lines(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    (x_title, y_title): (&str, &str),
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
    drawn: &[&Line<'_>],
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Steps are whole: no more marks than there are.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10")]
    let marks = (x.end - x.start).clamp(1.0, 10.0) as usize + 1;
    let fineness = y.end - y.start;
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        // Half of the last mark's number stands beyond the axis.
        .margin_right(32)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(x, y)
        .map_err(|error| error.to_string())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .x_labels(marks)
        .x_desc(x_title)
        .y_desc(y_title)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| number(*value, fineness))
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(|error| error.to_string())?;
    for (index, line) in drawn.iter().enumerate() {
        let points = line.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
        let style = BLACK.stroke_width(2);
        let (size, spacing) = [(1, 0), (8, 5), (2, 4), (14, 4)][index % 4];
        let series = match index % 4 {
            0 => chart.draw_series(LineSeries::new(points, style)),
            _ => chart.draw_series(DashedLineSeries::new(points, size, spacing, style)),
        };
        series.map_err(|error| error.to_string())?.label(line.name).legend(move |(x, y)| {
            let (dash, gap) = if index % 4 == 0 { (24, 0) } else { (size, spacing) };
            let dashes = (0..24).step_by(usize::try_from(dash + gap).unwrap_or(24));
            let path = dashes.flat_map(|from: i32| {
                let to = (from + dash).min(24);
                [(x + from, y), (x + to, y)]
            });
            PathElement::new(path.collect::<Vec<_>>(), BLACK.stroke_width(2))
        });
    }
    if drawn.len() > 1 {
        chart
            .configure_series_labels()
            .label_font(("sans-serif", 12))
            .position(SeriesLabelPosition::UpperRight)
            .draw()
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A number as an axis of this width shows it: neighbouring marks differ.
fn number(value: f64, width: f64) -> String {
    let size = value.abs().max(width);
    if !(1e-3..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    // About ten marks: two digits more than the width needs.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 12")]
    let digits = (2.0 - width.log10()).ceil().clamp(0.0, 12.0) as usize;
    format!("{value:.digits$}")
}

/// The lightness of a cell, from 0 (black) to 1: what is worse is darker.
const fn shade(cell: Cell) -> Option<f64> {
    match cell {
        Cell::NotApplicable => None,
        Cell::Holds => Some(0.82),
        Cell::Vacuous => Some(0.55),
        Cell::NotReached => Some(0.35),
        Cell::Broken => Some(0.0),
    }
}

/// A map of rules by records, in order: one row a rule. None without records.
#[must_use]
pub fn map(names: &[String], points: &[Point]) -> Option<String> {
    let last = points.last()?;
    let records = last.first + last.count;
    let rows = u32::try_from(names.len()).ok()?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (MAP_WIDTH, rows * ROW + AXIS)).into_drawing_area();
        draw_map(&root, names, points, records).ok()?;
        root.present().ok()?;
    }
    Some(svg)
}

fn draw_map(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    names: &[String],
    points: &[Point],
    records: u64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let text = |anchor| TextStyle::from(("sans-serif", 11)).color(&BLACK).pos(anchor);
    let width = f64::from(MAP_WIDTH - NAMES - 8);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "places on a page")]
    let x = |record: u64| (f64::from(NAMES) + width * record as f64 / records as f64).round() as i32;
    let row_of = |index: usize| i32::try_from(index).unwrap_or(0) * i32::try_from(ROW).unwrap_or(14);
    let tall = i32::try_from(ROW).unwrap_or(14);
    for (index, name) in names.iter().enumerate() {
        let top = row_of(index);
        let name = Text::new(
            name.clone(),
            (i32::try_from(NAMES)? - 6, top + tall / 2),
            text(Pos::new(HPos::Right, VPos::Center)),
        );
        root.draw(&name).map_err(|error| error.to_string())?;
        // Neighbours that came to the same are one box.
        let mut from = 0;
        while from < points.len() {
            let cell = points[from].cells[index];
            let run = points[from..].iter().take_while(|point| point.cells[index] == cell).count();
            let end = &points[from + run - 1];
            if let Some(shade) = shade(cell) {
                let corners = [
                    (x(points[from].first), top + 1),
                    (x(end.first + end.count).max(x(points[from].first) + 2), top + tall - 1),
                ];
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
                let level = (shade * 255.0).round() as u8;
                let style = RGBColor(level, level, level).filled();
                root.draw(&Rectangle::new(corners, style)).map_err(|error| error.to_string())?;
            }
            from += run;
        }
    }
    let below = row_of(names.len()) + 4;
    for (record, anchor) in [(0, HPos::Left), (records, HPos::Right)] {
        let label = if record == 0 { "first record".to_owned() } else { format!("record {record}") };
        let label = Text::new(label, (x(record), below), text(Pos::new(anchor, VPos::Top)));
        root.draw(&label).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Outcome;

    #[test]
    fn a_chart_needs_two_points_that_are_finite_and_is_the_same_every_time() {
        let line = |points: &[(f64, f64)]| Line { name: "loss", points: points.to_vec() };
        for points in [&[][..], &[(0.0, 1.0)], &[(0.0, f64::NAN), (1.0, f64::INFINITY), (2.0, 1.0)]] {
            assert_eq!(lines("step", "loss", &[line(points)]), None);
        }
        let one =
            || lines("step", "loss", &[line(&[(0.0, 1.0), (1.0, 0.5)]), line(&[(0.0, 2.0), (1.0, 2.5)])]);
        let svg = one().unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("<polyline"), "{svg}");
        assert_eq!(one(), Some(svg));
        let flat = lines("step", "loss", &[line(&[(0.0, 0.0), (1.0, 0.0)])]).unwrap();
        assert!(!flat.contains("NaN") && !flat.contains("inf"), "{flat}");
    }

    #[test]
    fn marks_of_an_axis_differ() {
        assert_eq!([6.382, 6.383].map(|value| number(value, 0.0002)), ["6.382000", "6.383000"]);
        assert_eq!([0.0, 50.0].map(|value| number(value, 100.0)), ["0", "50"]);
        assert_eq!(number(2.5e-4, 2.5e-4), "2.50e-4");
    }

    #[test]
    fn a_map_shows_every_broken_cell() {
        let point =
            |first, cell| Point { first, count: 1, facts: None, cells: vec![cell], outcome: Outcome::Pass };
        let svg = map(
            &["4".to_owned()],
            &[point(0, Cell::Holds), point(1, Cell::Broken), point(2, Cell::NotApplicable)],
        )
        .unwrap();
        assert_eq!(svg.matches("fill=\"#000000\" stroke=\"none\"").count(), 1, "{svg}");
        assert_eq!(map(&["4".to_owned()], &[]), None);
    }
}
