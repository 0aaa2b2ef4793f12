"""The FHIR Bulk Data Access IG (2.0) and SMART Backend Services, client side, one idea a module."""
