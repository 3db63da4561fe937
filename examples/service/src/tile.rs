//! A tile of the map, which is the Mandelbrot set.

/// The width and height of a tile, in pixels.
pub const SIDE: u32 = 256;

/// The deepest zoom. Beyond it, neighboring pixels have the same coordinates in `f64`.
pub const DEEPEST: u32 = 40;

/// The tile in column `x` and row `y` of the `2^zoom` by `2^zoom` tiles of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    pub zoom: u32,
    pub x: u64,
    pub y: u64,
}

impl Tile {
    /// # Errors
    /// If there is no such tile, the error names the accepted values.
    pub fn new(zoom: u32, x: u64, y: u64) -> Result<Self, String> {
        if zoom > DEEPEST {
            return Err(format!("zoom {zoom} is too deep: 0 to {DEEPEST} are accepted"));
        }
        let end = 1_u64 << zoom;
        if x >= end || y >= end {
            return Err(format!("no tile {x}, {y} at zoom {zoom}: both are 0 to {}", end - 1));
        }
        Ok(Tile { zoom, x, y })
    }

    /// A point that does not escape within this many steps counts as in the set.
    fn limit(self) -> u32 {
        128 + 64 * self.zoom
    }

    /// Colors one row of pixels.
    pub fn draw_row(self, row: usize, pixels: &mut [u8]) {
        let tiles = (1_u64 << self.zoom) as f64;
        let pixel = 3.0 / (tiles * f64::from(SIDE));
        let top_left = (-2.25 + 3.0 * self.x as f64 / tiles, -1.5 + 3.0 * self.y as f64 / tiles);
        let im = top_left.1 + row as f64 * pixel;
        for (column, color) in pixels.chunks_exact_mut(3).enumerate() {
            let steps = steps(top_left.0 + column as f64 * pixel, im, self.limit());
            color.copy_from_slice(&color_of(steps));
        }
    }

    /// Draws the tile on the calling thread, row by row. Calls `stops` before each row, and returns
    /// `None` if it returns true.
    pub fn draw(self, stops: impl Fn() -> bool) -> Option<Vec<u8>> {
        let mut pixels = blank();
        for (row, line) in pixels.chunks_mut(3 * SIDE as usize).enumerate() {
            if stops() {
                return None;
            }
            self.draw_row(row, line);
        }
        Some(png(&pixels))
    }
}

/// Returns the pixels of a tile that is not drawn yet: three bytes each, row by row.
pub fn blank() -> Vec<u8> {
    vec![0; 3 * (SIDE * SIDE) as usize]
}

/// Returns after how many steps a point leaves the circle of radius 2, if that is below `limit`.
fn steps(re: f64, im: f64, limit: u32) -> Option<u32> {
    let (mut x, mut y) = (0.0, 0.0);
    (0..limit).find(|_| {
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
        x * x + y * y > 4.0
    })
}

fn color_of(steps: Option<u32>) -> [u8; 3] {
    let Some(steps) = steps else { return [12, 12, 20] };
    let wave = |speed: f64, shift: f64| {
        let angle = f64::from(steps).sqrt() * speed + shift;
        (127.5 * (1.0 + angle.sin())) as u8
    };
    [wave(0.55, 3.6), wave(0.48, 4.2), wave(0.40, 5.2)]
}

/// Encodes the pixels of a tile as a PNG file.
pub fn png(pixels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let write = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    write.expect("the size is right, and writing to a `Vec` does not fail");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_in_the_set_and_the_corner_is_not() {
        assert_eq!(steps(0.0, 0.0, 1000), None);
        assert_eq!(steps(-2.25, -1.5, 1000), Some(0));
    }

    #[test]
    fn a_tile_outside_the_map_is_refused() {
        assert!(Tile::new(3, 7, 7).is_ok());
        assert_eq!(Tile::new(3, 8, 0).unwrap_err(), "no tile 8, 0 at zoom 3: both are 0 to 7");
        assert!(Tile::new(41, 0, 0).unwrap_err().contains("0 to 40 are accepted"));
    }

    #[test]
    fn a_drawing_that_is_stopped_has_no_picture() {
        assert!(Tile::new(0, 0, 0).unwrap().draw(|| true).is_none());
    }
}
