//! Message bytes on the wire: dot-stuffing, end of data, line rules.
