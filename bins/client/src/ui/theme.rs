//! Colours, or none.

use super::layout::Role;
use ratatui::style::{Color, Modifier, Style};

/// Colours of names; each can be read on a dark and on a light ground.
const AUTHORS: [Color; 10] = [
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::LightRed,
    Color::LightGreen,
    Color::LightBlue,
    Color::LightMagenta,
];

/// How roles look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Without it, there is only bold, dim and reversed (<https://no-color.org>).
    pub has_colour: bool,
}

impl Theme {
    /// How a role looks.
    pub fn style(self, role: &Role) -> Style {
        let plain = Style::default();
        match role {
            Role::Text => plain,
            Role::Mention if self.has_colour => {
                plain.fg(Color::Yellow).add_modifier(Modifier::BOLD)
            }
            Role::Mention => plain.add_modifier(Modifier::BOLD),
            Role::Aside | Role::Draft => plain.add_modifier(Modifier::DIM),
            Role::Notice if self.has_colour => plain.fg(Color::DarkGray),
            Role::Notice => plain.add_modifier(Modifier::ITALIC),
            Role::Author(name) => {
                let bold = plain.add_modifier(Modifier::BOLD);
                if self.has_colour { bold.fg(author(name)) } else { bold }
            }
        }
    }
}

/// The colour of a name: the same on every screen (FNV-1a).
fn author(name: &str) -> Color {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    AUTHORS[(hash % AUTHORS.len() as u64) as usize]
}
