//! What the terminal can show: colours and characters beyond ASCII.

/// How text for people may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub color: bool,
    /// Whether characters beyond ASCII can be shown.
    pub unicode: bool,
}

/// What a piece of text wants to say with its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The title of what follows.
    Title,
    /// Worth a look.
    Warning,
    /// Wrong.
    Alarm,
}

impl Look {
    /// `text` in the colour of `tone`, or as it is. Text is laid out first and painted last:
    /// colours take no columns but count as characters.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Title => "1",
            Tone::Warning => "33",
            Tone::Alarm => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
