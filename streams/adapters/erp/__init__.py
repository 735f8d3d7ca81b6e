"""Documents of ERP, planning and warehouse systems as our own events, and plan changes in their terms."""
