//! Select graphic rendition: colours and weights of characters, ECMA-48 8.3.117 and what terminals added.

/// A colour as a program asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Colour {
    /// Whatever the page has.
    #[default]
    Default,
    /// Of the palette of 256. True colours become the nearest of it: pages have no inline styles.
    Of256(u8),
}

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) ink: Colour,
    pub(super) paper: Colour,
    pub(super) bold: bool,
    pub(super) dim: bool,
    pub(super) italic: bool,
    pub(super) underlined: bool,
    pub(super) inverse: bool,
    pub(super) concealed: bool,
    pub(super) struck: bool,
}

impl Style {
    pub(super) const PLAIN: Style = Style {
        ink: Colour::Default,
        paper: Colour::Default,
        bold: false,
        dim: false,
        italic: false,
        underlined: false,
        inverse: false,
        concealed: false,
        struck: false,
    };

    /// Carries out one sequence. What it does not know changes nothing.
    pub(super) fn apply<'a>(&mut self, params: impl Iterator<Item = &'a [u16]>) {
        let mut params = params.map(|param| (param.first().copied().unwrap_or(0), param));
        while let Some((code, parts)) = params.next() {
            match code {
                0 => *self = Style::PLAIN,
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underlined = parts.get(1) != Some(&0),
                7 => self.inverse = true,
                8 => self.concealed = true,
                9 => self.struck = true,
                21 => self.underlined = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.inverse = false,
                28 => self.concealed = false,
                29 => self.struck = false,
                30..=37 => self.ink = of_16(code - 30),
                39 => self.ink = Colour::Default,
                40..=47 => self.paper = of_16(code - 40),
                49 => self.paper = Colour::Default,
                90..=97 => self.ink = of_16(code - 90 + 8),
                100..=107 => self.paper = of_16(code - 100 + 8),
                38 | 48 => {
                    let colour = match parts.get(1..) {
                        Some(rest) if !rest.is_empty() => with_colons(rest),
                        _ => with_semicolons(&mut params.by_ref().map(|(code, _)| code)),
                    };
                    match (colour, code) {
                        (Some(colour), 38) => self.ink = colour,
                        (Some(colour), _) => self.paper = colour,
                        (None, _) => {}
                    }
                }
                _ => {}
            }
        }
    }
}

fn of_16(code: u16) -> Colour {
    u8::try_from(code).map_or(Colour::Default, Colour::Of256)
}

/// `5;N` or `2;R;G;B`.
fn with_semicolons(rest: &mut impl Iterator<Item = u16>) -> Option<Colour> {
    match rest.next()? {
        5 => u8::try_from(rest.next()?).ok().map(Colour::Of256),
        2 => Some(nearest(rest.next()?, rest.next()?, rest.next()?)),
        _ => None,
    }
}

/// `5:N`, `2:R:G:B` or `2:SPACE:R:G:B`.
fn with_colons(rest: &[u16]) -> Option<Colour> {
    match rest {
        [5, n, ..] => u8::try_from(*n).ok().map(Colour::Of256),
        [2, r, g, b] | [2, _, r, g, b, ..] => Some(nearest(*r, *g, *b)),
        _ => None,
    }
}

/// The nearest of the cube of 216 and the 24 greys.
fn nearest(r: u16, g: u16, b: u16) -> Colour {
    let [r, g, b] = [r, g, b].map(|part| u8::try_from(part).unwrap_or(u8::MAX));
    Colour::Of256(super::palette::nearest([r, g, b]))
}
