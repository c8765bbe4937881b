//! Passkeys as their users and whoever would like to be one of them come with them.

mod keeping;
mod making;
mod sign_in;
mod step_up;

use crate::testing::{BACKED_UP, Device, ELIGIBLE, PRESENT, VERIFIED};

/// Has a device do something otherwise.
type Spoil = fn(&mut Device);

/// Ways of not doing what was asked.
fn bad_manners() -> Vec<(&'static str, Spoil)> {
    vec![
        ("another site's page", |device| device.manner.origin = "https://evil.example".to_owned()),
        ("another port", |device| device.manner.origin = "http://localhost:8081".to_owned()),
        ("a page below", |device| device.manner.origin = "http://x.localhost:8080".to_owned()),
        ("an origin that goes on", |device| device.manner.origin = "http://localhost:8080/".to_owned()),
        ("another site's key", |device| device.manner.site = Some("evil.example".to_owned())),
        ("nobody there", |device| device.manner.turned = PRESENT),
        ("nobody known", |device| device.manner.turned = VERIFIED),
        ("copied and not to be copied", |device| device.manner.turned = BACKED_UP),
        ("in a frame", |device| device.manner.framed = true),
        ("more announced than follows", |device| device.manner.turned = 0x80),
    ]
}

/// A device whose key is on others, too.
fn synced() -> Device {
    let mut device = Device::new();
    device.manner.turned = ELIGIBLE | BACKED_UP;
    device
}
