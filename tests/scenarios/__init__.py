"""Stories, races, faults and load over the whole product."""
