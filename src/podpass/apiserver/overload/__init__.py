"""What keeps one client's flood from the others: lanes, fair queues, refusals, connections."""
