//! A graph in columns, as SVG: boxes from left to right, and lines between those that belong together.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of the graph.
const WIDTH: i32 = 760;
/// Height of a box, and of the gap below it.
const BOX: (i32, i32) = (40, 12);
/// Part of a column that a box takes.
const FILL: f64 = 0.82;
/// Letters that a line of a box shows.
const LETTERS: usize = 26;
/// Boxes that a column shows.
const MAX_BOXES: usize = 12;

/// Where a box stands: column and row, counted from 0.
pub type Spot = (usize, usize);

/// A box: two lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The first line.
    pub name: String,
    /// The second, fainter.
    pub about: String,
}

/// Columns of boxes, and edges from one to another. None without boxes, and when a column has more than
/// can be read.
#[must_use]
pub fn graph(columns: &[Vec<Node>], edges: &[(Spot, Spot)]) -> Option<String> {
    let tallest = columns.iter().map(Vec::len).max().filter(|rows| (1..=MAX_BOXES).contains(rows))?;
    let height = i32::try_from(tallest).ok()? * (BOX.0 + BOX.1) + BOX.1;
    let mut svg = String::new();
    {
        let size = (u32::try_from(WIDTH).ok()?, u32::try_from(height).ok()?);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&root, columns, edges, height).ok()?;
        root.present().ok()?;
    }
    Some(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    root: &Area<'_>,
    columns: &[Vec<Node>],
    edges: &[(Spot, Spot)],
    height: i32,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let count = i32::try_from(columns.len())?;
    let step = WIDTH / count;
    #[allow(clippy::cast_possible_truncation, reason = "places on a page")]
    let wide = (f64::from(step) * FILL) as i32;
    let place = |(column, row): Spot| -> Option<(i32, i32)> {
        let rows = i32::try_from(columns.get(column)?.len()).ok()?;
        let top = (height - rows * (BOX.0 + BOX.1)) / 2 + BOX.1 / 2;
        let (column, row) = (i32::try_from(column).ok()?, i32::try_from(row).ok()?);
        Some((column * step + (step - wide) / 2, top + row * (BOX.0 + BOX.1)))
    };
    for (from, to) in edges {
        let (Some((x, y)), Some((to_x, to_y))) = (place(*from), place(*to)) else { continue };
        let line = vec![(x + wide, y + BOX.0 / 2), (to_x, to_y + BOX.0 / 2)];
        root.draw(&PathElement::new(line, BLACK.mix(0.6).stroke_width(1)))
            .map_err(|error| error.to_string())?;
    }
    let text =
        |size| TextStyle::from(("sans-serif", size)).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Top));
    for (column, nodes) in columns.iter().enumerate() {
        for (row, node) in nodes.iter().enumerate() {
            let Some((x, y)) = place((column, row)) else { continue };
            let corners = [(x, y), (x + wide, y + BOX.0)];
            root.draw(&Rectangle::new(corners, WHITE.filled())).map_err(|error| error.to_string())?;
            root.draw(&Rectangle::new(corners, BLACK.stroke_width(1))).map_err(|error| error.to_string())?;
            let name = Text::new(short(&node.name), (x + 6, y + 6), text(12));
            root.draw(&name).map_err(|error| error.to_string())?;
            let about = Text::new(short(&node.about), (x + 6, y + 23), text(10));
            root.draw(&about).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// A text that fits a box: its end, which tells paths apart.
fn short(text: &str) -> String {
    let letters: Vec<char> = text.chars().filter(|letter| !letter.is_control()).collect();
    match letters.len().checked_sub(LETTERS) {
        Some(more) if more > 0 => std::iter::once('…').chain(letters[more + 1..].iter().copied()).collect(),
        _ => letters.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_shows_every_box_and_escapes_its_text() {
        let node = |name: &str| Node { name: name.into(), about: "sha256 0123".into() };
        let svg = graph(&[vec![node("<run>")], vec![node("a"), node("b")]], &[((0, 0), (1, 1))]).unwrap();
        assert!(svg.contains("&lt;run&gt;") && !svg.contains("<run>"), "{svg}");
        assert_eq!(graph(&[vec![]], &[]), None);
        assert_eq!(graph(&[vec![node("a"); MAX_BOXES + 1]], &[]), None);
        assert_eq!(short(&"x".repeat(40)).chars().count(), LETTERS);
    }
}
