//! Counters, caches and revocations: Redis or memory behind one shape.
