"""A shop that does not exist, with traffic as shops have it: for looking at Footfall before there is any."""
