"""Talking to an API server: REST, informers, controllers, leader election."""
