"""Messages to chats, tables and other programs: who gets which ones, and what they say."""
