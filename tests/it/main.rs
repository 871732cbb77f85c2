//! What crosses the borders of the products, tried on a real API server with every program as a process of its own.

mod custom_resources;
