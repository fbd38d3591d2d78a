//! The 256 colours, as readable ink on the log's paper and as paper under the log's ink, and the style sheet of them.

use std::fmt::Write;

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

/// The log's own paper and ink; the same in both themes. `--log-bg` and `--text` of the style sheet.
const PAPER: Rgb = [0x0f, 0x11, 0x15];
const INK: Rgb = [0xe6, 0xe9, 0xee];
/// Least contrast of text, WCAG 2.2, 1.4.3.
const CONTRAST: f64 = 4.5;
/// Least contrast of coloured paper to the log's ink: so much that most coloured inks can be read on it too.
const PAPER_CONTRAST: f64 = 7.0;

/// The sixteen that programs use most, chosen to be read on the log's paper.
const SIXTEEN: [Rgb; 16] = [
    [0x7a, 0x83, 0x91],
    [0xff, 0x8a, 0x80],
    [0x5f, 0xd3, 0x8d],
    [0xf2, 0xc9, 0x4c],
    [0x7d, 0xb8, 0xff],
    [0xe3, 0x9b, 0xff],
    [0x5f, 0xd7, 0xe0],
    [0xe6, 0xe9, 0xee],
    [0x95, 0x9d, 0xab],
    [0xff, 0xa8, 0xa0],
    [0x86, 0xe5, 0xac],
    [0xff, 0xdc, 0x78],
    [0xa3, 0xcd, 0xff],
    [0xee, 0xbd, 0xff],
    [0x8c, 0xe8, 0xee],
    [0xff, 0xff, 0xff],
];
/// Steps of the cube's axes.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// What xterm shows for a number.
fn plain(number: u8) -> Rgb {
    match number {
        0..=15 => SIXTEEN.get(usize::from(number)).copied().unwrap_or(INK),
        16..=231 => {
            let at = number - 16;
            [at / 36, at / 6 % 6, at % 6].map(|step| STEPS.get(usize::from(step)).copied().unwrap_or(0))
        }
        232..=255 => [8 + 10 * (number - 232); 3],
    }
}

/// A colour as ink: lighter, if it could not be read on the log's paper.
pub(super) fn ink(number: u8) -> Rgb {
    towards(plain(number), [255; 3], |rgb| contrast(rgb, PAPER) >= CONTRAST)
}

/// A colour as paper: darker, if the log's ink could not be read on it.
pub(super) fn paper(number: u8) -> Rgb {
    towards(plain(number), PAPER, |rgb| contrast(INK, rgb) >= PAPER_CONTRAST)
}

/// Whether this ink can be read on this paper.
pub(super) fn is_readable(ink_number: u8, paper_number: u8) -> bool {
    contrast(ink(ink_number), paper(paper_number)) >= CONTRAST
}

fn towards(from: Rgb, to: Rgb, is_good: impl Fn(Rgb) -> bool) -> Rgb {
    let mix = |part: u32| {
        let blend = |(from, to): (u8, u8)| {
            let sum = u32::from(from) * (20 - part) + u32::from(to) * part;
            u8::try_from(sum / 20).unwrap_or(u8::MAX)
        };
        let [r, g, b] = from;
        let [x, y, z] = to;
        [(r, x), (g, y), (b, z)].map(blend)
    };
    (0..=20).map(mix).find(|rgb| is_good(*rgb)).unwrap_or(to)
}

/// The number of the nearest colour behind the sixteen.
pub(super) fn nearest(rgb: Rgb) -> u8 {
    let distance = |number: &u8| {
        let [r, g, b] = plain(*number);
        let [x, y, z] = rgb;
        [(r, x), (g, y), (b, z)].iter().map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>()
    };
    (16..=255).min_by_key(distance).unwrap_or(231)
}

/// WCAG 2.2's ratio.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(rgb: Rgb) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = rgb.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// Rules for the classes `f0`–`f255` (ink) and `b0`–`b255` (paper).
pub fn sheet() -> String {
    let mut css = String::new();
    for number in 0..=255 {
        let [r, g, b] = ink(number);
        let [x, y, z] = paper(number);
        // Writing to a string cannot fail.
        let _ = writeln!(
            css,
            ".f{number}{{color:#{r:02x}{g:02x}{b:02x}}}.b{number}{{background:#{x:02x}{y:02x}{z:02x}}}"
        );
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_can_be_read() {
        for number in 0..=255 {
            assert!(contrast(ink(number), PAPER) >= CONTRAST, "ink {number}");
            assert!(contrast(INK, paper(number)) >= CONTRAST, "paper {number}");
        }
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
    }

    #[test]
    fn true_colours_become_near_ones() {
        assert_eq!((nearest([255, 0, 0]), nearest([0; 3]), nearest([255; 3])), (196, 16, 231));
        assert_eq!(plain(nearest([120, 121, 119])), [118; 3]);
    }
}
