//! The pages behind links in mails, for installations without pages of their own: plain HTML, no script. Opening one uses
//! nothing up, for mail scanners open every link; the button does.

mod http;
mod model;
mod render;
mod style;

pub use http::{show, submit};
pub use model::NAMES;
pub use style::{STYLE, style_source};

#[cfg(test)]
mod tests;
