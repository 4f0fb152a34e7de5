"""The accelerator as an IP-XACT core, for those who have a block design of their own."""
