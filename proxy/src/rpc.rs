//! A gRPC connection to the control plane.
