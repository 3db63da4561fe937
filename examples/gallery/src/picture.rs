//! Pixel pictures as PNG files, and plots as SVG files.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use filch::prelude::*;
use plotters::prelude::*;

use crate::input::{Bounds, Place, REACH};
use crate::{Result, create};

/// A picture: the red, green and blue values of each pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    pub fn read(path: &Path) -> Result<Picture> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut decoder = png::Decoder::new(BufReader::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
        let info = reader.next_frame(&mut bytes)?;
        let samples = info.color_type.samples();
        let pixel = |p: &[u8]| if samples < 3 { [p[0]; 3] } else { [p[0], p[1], p[2]] };
        let pixels = bytes[..info.buffer_size()].chunks_exact(samples).map(pixel).collect();
        Ok(Picture { width: info.width as usize, height: info.height as usize, pixels })
    }

    pub fn write(&self, path: &Path) -> Result {
        let mut encoder = png::Encoder::new(create(path)?, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.set_filter(png::Filter::Adaptive);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        Ok(writer.finish()?)
    }

    /// Returns the picture with each pixel enlarged to `factor` by `factor` pixels.
    pub fn enlarged(&self, factor: usize) -> Picture {
        let rows = self.pixels.chunks(self.width).flat_map(|row| std::iter::repeat_n(row, factor));
        let pixel = |pixel| std::iter::repeat_n(pixel, factor);
        let pixels = rows.flat_map(|row| row.iter().copied().flat_map(pixel)).collect();
        Picture { width: factor * self.width, height: factor * self.height, pixels }
    }

    /// Draws water from above, given its height and whether there is land, for each pixel. Light
    /// comes from the left: slopes that face it are brighter.
    pub fn of_water(width: usize, heights: &[f32], is_land: &[bool]) -> Picture {
        let color = |i: usize| {
            let height = (1.6 * heights[i]).tanh();
            let slope = (3.0 * (heights[i] - heights[i.saturating_sub(1)])).tanh();
            let light = 0.5 + 0.32 * height + 0.18 * slope;
            let water = |part: f32| (part * light.powf(435.0 / part - 0.6)) as u8;
            if is_land[i] { [196, 164, 112] } else { [190.0, 235.0, 255.0].map(water) }
        };
        let pixels = (0..heights.len()).into_par_iter().map(color).collect();
        Picture { width, height: heights.len() / width, pixels }
    }

    /// Draws points and boxes from above. Points are grey on the ground, and orange above it.
    pub fn of_boxes(ground: &[Place], above: &[Place], boxes: &[Bounds]) -> Picture {
        let side = 480;
        let mut pixels = vec![[16, 18, 24]; side * side];
        let pixel = |x: f32, y: f32| {
            let [x, y] = [x, y].map(|at| ((at + REACH) / (2.0 * REACH) * side as f32) as usize);
            y.min(side - 1) * side + x.min(side - 1)
        };
        ground.iter().for_each(|[x, y, _]| pixels[pixel(*x, *y)] = [86, 92, 104]);
        above.iter().for_each(|[x, y, _]| pixels[pixel(*x, *y)] = [255, 176, 70]);
        for [x0, x1, y0, y1] in
            boxes.iter().map(|it| [it[0] - 0.4, it[1] + 0.4, it[2] - 0.4, it[3] + 0.4])
        {
            for part in (0..=200).map(|i| i as f32 / 200.0) {
                let (x, y) = (x0 + part * (x1 - x0), y0 + part * (y1 - y0));
                for (x, y) in [(x, y0), (x, y1), (x0, y), (x1, y)] {
                    pixels[pixel(x, y)] = [90, 220, 150];
                }
            }
        }
        Picture { width: side, height: side, pixels }
    }

    /// Draws stars on a black sky, given the position in pixels and the color of each.
    pub fn of_stars(
        width: usize,
        height: usize,
        stars: impl Iterator<Item = ([f64; 2], [f64; 3])>,
    ) -> Picture {
        let mut light = vec![[0.0; 3]; width * height];
        for ([x, y], color) in stars {
            // A small blot, brightest in the middle.
            for (dx, dy) in (-2..=2).flat_map(|dx| (-2..=2).map(move |dy| (dx, dy))) {
                let (px, py) = (x.floor() + f64::from(dx), y.floor() + f64::from(dy));
                if (0.0..width as f64).contains(&px) && (0.0..height as f64).contains(&py) {
                    let blot = (-((px + 0.5 - x).powi(2) + (py + 0.5 - y).powi(2))).exp();
                    let pixel: &mut [f64; 3] = &mut light[py as usize * width + px as usize];
                    (0..3).for_each(|i| pixel[i] += blot * color[i]);
                }
            }
        }
        let shown = |part: f64| (255.0 * (1.0 - (-0.7 * part).exp())) as u8;
        let pixels = light.into_iter().map(|light| light.map(shown)).collect();
        Picture { width, height, pixels }
    }
}

fn rgb([r, g, b]: [u8; 3]) -> RGBColor {
    RGBColor(r, g, b)
}

const PAPER: RGBColor = RGBColor(250, 250, 248);

/// A point of a plot, and its color.
pub type Dot = ([f64; 2], [u8; 3]);

/// Draws a scatter plot of small and large dots, with labels for the axes.
pub fn scatter(
    path: &Path,
    [x_means, y_means]: [&str; 2],
    points: &[Dot],
    large: &[Dot],
) -> Result {
    let range = |i: usize| {
        let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |range, point| {
            (range.0.min(point.0[i]), range.1.max(point.0[i]))
        });
        low - 5.0..high + 5.0
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (480, 380)).into_drawing_area();
        root.fill(&PAPER)?;
        let mut builder = ChartBuilder::on(&root);
        builder.margin(14).x_label_area_size(40).y_label_area_size(48);
        let mut chart = builder.build_cartesian_2d(range(0), range(1))?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).x_labels(8).y_labels(8);
        let whole = |x: &f64| format!("{x:.0}");
        mesh.x_label_formatter(&whole).y_label_formatter(&whole);
        mesh.x_desc(x_means).y_desc(y_means).draw()?;
        let dot =
            |&([x, y], color): &Dot, size: i32| Circle::new((x, y), size, rgb(color).filled());
        let rim = |&([x, y], _): &Dot| Circle::new((x, y), 11, BLACK.stroke_width(2));
        chart.draw_series(points.iter().map(|point| dot(point, 2)))?;
        chart.draw_series(large.iter().map(|point| dot(point, 11)))?;
        chart.draw_series(large.iter().map(rim))?;
        root.present()?;
    }
    Ok(create(path)?.write_all(svg.as_bytes())?)
}

/// Draws a histogram. Its bars begin at `first` and are `step` wide. Bars up to `limit` are red.
pub fn histogram(
    path: &Path,
    x_means: &str,
    counts: &[usize],
    [first, step, limit]: [f64; 3],
) -> Result {
    let most = counts.iter().max().map_or(1.0, |&count| count as f64);
    let end = first + step * counts.len() as f64;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (560, 300)).into_drawing_area();
        root.fill(&PAPER)?;
        let mut builder = ChartBuilder::on(&root);
        let mut chart =
            builder.margin(14).x_label_area_size(40).build_cartesian_2d(first..end, 0.0..most)?;
        let whole = |x: &f64| format!("{x:.0}");
        chart.configure_mesh().disable_mesh().x_desc(x_means).x_label_formatter(&whole).draw()?;
        let bar = |(i, &count): (usize, &usize)| {
            let from = first + step * i as f64;
            let color = if from + step <= limit { [208, 90, 60] } else { [70, 130, 150] };
            let corners = [(from, 0.0), (from + 0.85 * step, count as f64)];
            Rectangle::new(corners, rgb(color).filled())
        };
        chart.draw_series(counts.iter().enumerate().map(bar))?;
        root.present()?;
    }
    Ok(create(path)?.write_all(svg.as_bytes())?)
}
