//! The cache through the service.
