"""What is sent to a customer: the invoice as PDF with its backup sheet, as EN 16931 XML, and whether that is valid."""
