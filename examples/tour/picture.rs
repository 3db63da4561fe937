//! Draws the tour's speed-ups as bars.

use example_tools::plotters::prelude::*;
use example_tools::plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::case::Tally;
use crate::catalogue::Entry;

const WIDTH: i32 = 640;
const LEFT: i32 = 110;
const TOP: i32 = 40;
const ROW: i32 = 22;

/// Readable on both light and dark pages.
const TEXT: RGBColor = RGBColor(118, 124, 132);
const FASTER: RGBColor = RGBColor(46, 139, 122);
const SLOWER: RGBColor = RGBColor(208, 107, 60);

pub fn draw(entries: &[Entry], tallies: &[Tally], threads: usize) -> String {
    let most = tallies.iter().map(|tally| tally.speed_up).fold(threads as f64, f64::max);
    let place = |speed_up: f64| LEFT + (speed_up / most * f64::from(WIDTH - LEFT - 60)) as i32;
    let bottom = TOP + ROW * entries.len() as i32;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, bottom as u32 + 10))
            .into_drawing_area();
        let draw_text = |text: &str, at: (i32, i32), side: HPos| {
            let font = ("sans-serif", 16).into_font().color(&TEXT);
            area.draw(&Text::new(text.to_owned(), at, font.pos(Pos::new(side, VPos::Center))))
        };
        let title = format!("speed-up on {threads} threads; the lines are at 1 and at {threads}");
        let draw = || {
            draw_text(&title, (LEFT, 14), HPos::Left)?;
            for x in [1.0, threads as f64].map(place) {
                area.draw(&PathElement::new([(x, TOP - 8), (x, bottom)], TEXT.mix(0.6)))?;
            }
            for ((y, entry), tally) in (TOP..).step_by(ROW as usize).zip(entries).zip(tallies) {
                let (end, middle) = (place(tally.speed_up), y + ROW / 2);
                let color = if tally.speed_up < 1.0 { SLOWER } else { FASTER };
                let corners = [(LEFT, y + 4), (end, y + ROW - 4)];
                area.draw(&Rectangle::new(corners, color.filled()))?;
                draw_text(entry.name, (LEFT - 8, middle), HPos::Right)?;
                draw_text(&format!("{:.2}", tally.speed_up), (WIDTH - 8, middle), HPos::Right)?;
            }
            area.present()
        };
        draw().expect("drawing to a string does not fail");
    }
    svg
}
