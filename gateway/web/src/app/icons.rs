//! Pictures beside the menu's words: strokes in the colour of the text, hidden from screen readers.

use super::frame::Section;

/// Wraps a path's strokes.
macro_rules! icon {
    ($strokes:literal) => {
        concat!(
            "<svg viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.7\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\">",
            $strokes,
            "</svg>"
        )
    };
}

/// The picture of a section.
pub(super) fn of(section: Section) -> &'static str {
    match section {
        Section::Compose => icon!(r#"<path d="M4 20h16M6 16l1-4L16.500 2.500l3 3L10 15z"/>"#),
        Section::Contacts => {
            icon!(
                r#"<path d="M6 3h13v18H6zM3.500 7.500h3M3.500 12h3M3.500 16.500h3M9.500 17c.4-2 1.600-3 3-3s2.600 1 3 3"/><circle cx="12.500" cy="10" r="2"/>"#
            )
        }
        Section::Invitations => {
            icon!(r#"<path d="M4 14v6h16v-6M12 4v10.500M7.500 10.500L12 15l4.500-4.500"/>"#)
        }
        Section::Deposits => icon!(r#"<path d="M4 5h16v14H4zM4 13h4.500a3.500 3.500 0 0 0 7 0H20"/>"#),
        Section::Statistics => icon!(r#"<path d="M4 4v16h16M8.500 16v-4M13 16V8M17.500 16v-6"/>"#),
        Section::Journal => icon!(r#"<path d="M5 3h14v18H5zM8.500 8h7M8.500 12h7M8.500 16h4"/>"#),
        Section::Accounts => icon!(
            r#"<circle cx="9" cy="8" r="3.500"/><path d="M2.500 20c.7-4 3.200-6 6.500-6s5.800 2 6.500 6M15.500 5a3.500 3.500 0 0 1 0 6.500M18 14.500c2 .8 3.100 2.600 3.500 5.500"/>"#
        ),
        Section::Recipients => icon!(r#"<path d="M3 6h18v12H3zM3 7l9 6.500L21 7"/>"#),
        Section::Approvals => icon!(r#"<path d="M4 4h16v12H9l-5 4zM8.500 10l2.300 2.300 4.700-4.800"/>"#),
        Section::Entities => {
            icon!(r#"<path d="M4 21V4h10v17M14 9h6v12M2 21h20M8 8h2M8 12h2M8 16h2M17 13h.5M17 17h.5"/>"#)
        }
        Section::Queue => icon!(r#"<path d="M4 6h10M4 12h10M4 18h7M18 5v13M15 15l3 3.500 3-3.500"/>"#),
        Section::Held => icon!(r#"<circle cx="12" cy="12" r="8.500"/><path d="M10 9v6M14 9v6"/>"#),
        Section::Rules => icon!(
            r#"<path d="M6 4v12M12 4v4M18 4v9M6 20v0M12 12v8M18 17v3"/><circle cx="6" cy="17.500" r="1.800"/><circle cx="12" cy="10" r="1.800"/><circle cx="18" cy="15" r="1.800"/>"#
        ),
        Section::Certificates => icon!(
            r#"<path d="M12 3l7.500 3v5.500c0 4.500-3 8-7.500 9.500-4.500-1.500-7.500-5-7.500-9.500V6zM9 11.800l2.200 2.200 4-4.300"/>"#
        ),
        Section::Health => icon!(r#"<path d="M3 12h4l2.500-6 4.500 12 2.500-6H21"/>"#),
        Section::Settings => icon!(
            r#"<circle cx="12" cy="12" r="3"/><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.200 2.200M16.200 16.200l2.200 2.200M5.600 18.400l2.200-2.200M16.200 7.800l2.200-2.200"/>"#
        ),
        Section::Account => icon!(
            r#"<circle cx="12" cy="8" r="4"/><path d="M4.500 21c.8-4.500 3.700-7 7.500-7s6.700 2.500 7.500 7"/>"#
        ),
    }
}
